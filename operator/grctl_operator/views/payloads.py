"""Payloads: how many bytes of them are kept in memory.

What is sent to a run that nobody starts must not fill the operator. A payload beyond the budget is
read again when its event's turn has come. Pure: no I/O.
"""

from dataclasses import dataclass
from typing import Any

from grctl.json.raw_json import RawJson

KEPT_PAYLOAD_BYTES = 32 * 1024 * 1024  # ten thousand events of 3 KiB


class NotKept:
    """Stands for a payload that was seen, and is read again when it is needed."""


NOT_KEPT = NotKept()


@dataclass(slots=True)
class PayloadBudget:
    """Counts the bytes of payloads that are kept, in one cache or in several."""

    limit: int = KEPT_PAYLOAD_BYTES
    kept: int = 0
    reserved: int = 0
    """Bytes of lists whose pages are being read."""

    def has_room_for(self, payload: Any) -> bool:
        """Return whether a payload may be kept."""
        size = _size(payload)
        return not size or self.kept + self.reserved + size <= self.limit

    def reserve(self, payload: Any) -> int:
        """Count a payload that may be kept soon. Return its size."""
        size = _size(payload)
        self.reserved += size
        return size

    def admit(self, payload: Any) -> Any:
        """Count a payload that is to be kept. Return it, or NOT_KEPT if there is no room."""
        if not self.has_room_for(payload):
            return NOT_KEPT
        self.kept += _size(payload)
        return payload

    def release(self, payload: Any) -> None:
        """Subtract a payload that is no longer kept."""
        self.kept -= _size(payload)


def _size(payload: Any) -> int:
    return len(payload) if isinstance(payload, RawJson) else 0
