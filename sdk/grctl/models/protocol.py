"""Versions of the protocol between operator and worker, and how both agree upon one.

1. Each side tells the lowest and the highest version that it speaks. Both use the highest common
   one.
2. So either side may be upgraded first. A release that changes the protocol raises `highest` and
   still speaks the version before. It uses nothing of the new version with a peer that agreed upon
   an older one. `lowest` is raised once every supported release speaks a higher version.
3. A new field that the peer may leave out, or not know, needs no new version. A new kind of message
   needs one, and so does a new meaning of an old kind.
"""

from typing import NamedTuple


class Spoken(NamedTuple):
    """The versions that one side speaks."""

    lowest: int
    highest: int

    def __str__(self) -> str:
        """Return the range as people read it: `protocols 2 to 3`."""
        if self.lowest == self.highest:
            return f"protocol {self.lowest}"
        return f"protocols {self.lowest} to {self.highest}"

    def agree(self, other: "Spoken") -> int | None:
        """Return the version that two sides use, if they have one in common."""
        highest = min(self.highest, other.highest)
        return highest if highest >= max(self.lowest, other.lowest) else None


RECORDING_PROTOCOL_VERSION = 4
"""The version from which on handlers record: journals, and the directives `fail`, `after`
and `events`."""

SPOKEN = Spoken(lowest=2, highest=RECORDING_PROTOCOL_VERSION)
"""What this release speaks. 2: several messages in one frame; 3: versions are agreed upon; 4: see
RECORDING_PROTOCOL_VERSION."""

LARGEST_VERSION = 10_000
"""No version is ever above this number. A larger one is refused."""


def disagreement(worker: Spoken, operator: Spoken) -> str:
    """Return the message for two ranges without a common version: it names the side to upgrade."""
    behind = "operator" if worker.lowest > operator.highest else "worker"
    return f"The worker speaks {worker}, the operator {operator}: upgrade the {behind}"
