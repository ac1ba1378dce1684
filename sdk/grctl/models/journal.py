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
    {"until": time, "at"}                           `ctx.sleep`: it sleeps until then

`n` is the number of attempts, `at` the time of the entry. Times are ISO 8601 in UTC.

1. A final entry never changes: the first one counts.
2. Of two entries that are not final, the one with more failed attempts counts.
3. Pure, and used by both sides, so that operator and worker agree upon which entry counts.
4. The operator carries results as RawJson, as it does with all values of users (`carry_entry`).
"""

from collections.abc import Mapping
from typing import Any

from grctl.json.raw_json import Uncarriable, to_raw_json
from grctl.json.serialization import cut

Entry = dict[str, Any]
Entries = Mapping[str, Entry]

FINAL_FIELDS = ("ok", "error", "cancelled")
MAX_QUOTED_KEY_BYTES = 200
"""How much of an entry's key an error quotes."""


class UncarriableEntryError(ValueError):
    """An entry cannot be kept in a journal. The text names the entry, and says why."""


def carry_entry(key: str, entry: Any) -> Entry:
    """Return an entry as the operator carries it: the result is RawJson.

    Raises:
        UncarriableEntryError: it is not an object, or one of its values cannot be carried.
    """
    if not isinstance(entry, dict):
        raise UncarriableEntryError(f"entry {_quoted(key)} is not an object")
    carried = {name: to_raw_json(value) for name, value in entry.items()}
    for name, value in carried.items():
        if isinstance(value, Uncarriable):
            what = "the result" if name == "ok" else f"the field {_quoted(name)}"
            raise UncarriableEntryError(f"{what} of entry {_quoted(key)} {value.why}")
    return {**entry, "ok": carried["ok"]} if "ok" in entry else dict(entry)


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


def _quoted(name: str) -> str:
    return repr(cut(name, MAX_QUOTED_KEY_BYTES))
