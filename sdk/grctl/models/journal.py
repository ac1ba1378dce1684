"""The journal: what the handler that is due has recorded, so that a new attempt does not repeat it.

`status.journal` is `{"eventUid": ..., "entries": {key: entry}}`. It belongs to the handler that is
due: the event of that uid, or (without a uid) the start handler or the step. The commit of the
handler's outcome removes it.

A key names one call: `task name/hash of the arguments/which such call` (`charge/5f3a09c2/1`).

An entry is free JSON with short names. It is one of

    {"ok": value, "n": 2, "at": time}               the result; final
    {"error": {"type", "message"}, "n", "at"}       the last attempt failed; final
    {"cancelled": true, "at"}                       the handler itself cancelled the call; final
    {"failed": 2, "of": 5, "error": {...}, "next": time, "at"}  two attempts failed; it goes on
    {"begun": execution id, "at"}                   `once=True`: it began; not known to have ended

`n` is the number of attempts, `at` the time of the entry. Times are ISO 8601 in UTC.

1. A final entry never changes: the first one counts.
2. Of two entries that are not final, the one with more failed attempts counts.
3. Pure, and used by both sides, so that operator and worker agree upon which entry counts.
"""

from collections.abc import Mapping
from typing import Any

Entry = dict[str, Any]
Entries = Mapping[str, Entry]

FINAL_FIELDS = ("ok", "error", "cancelled")


def is_final(entry: Entry) -> bool:
    """Return whether the call is over: its result or its last error is recorded."""
    return "failed" not in entry and any(name in entry for name in FINAL_FIELDS)


def which_counts(known: Entry | None, sent: Entry) -> Entry:
    """Return which of two entries of one key counts: the one that is known, or the one sent."""
    if known is None:
        return sent
    if is_final(known):
        return known
    if is_final(sent):
        return sent
    return sent if _failed(sent) > _failed(known) else known


def merge(known: Entries, sent: Entries) -> dict[str, Entry]:
    """Return the entries of a journal after a record."""
    return {**known, **{key: which_counts(known.get(key), entry) for key, entry in sent.items()}}


def _failed(entry: Entry) -> int:
    count = entry.get("failed", 0)
    return count if isinstance(count, int) else 0
