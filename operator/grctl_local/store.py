"""All objects, and the log of their changes: what etcd is to an API server.

1. One counter numbers every write, whatever its kind: the revision.
2. A write is in the file before anybody learns of it, and survives kill -9.
3. Changes are kept, oldest dropped first, so that a watch can go on from any kept revision.
4. The current objects are in memory as well: parsed once, serialized once. Whoever gets a
   value must not change it.
5. What is stored may be less than what is shown: a schema's defaults are filled in on reading.

The file is one table of changes. An object's last change is the object; compaction removes
changes that are older than the kept ones and that a later one has superseded.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from grctl_local.errors import Json, expired, too_large_object

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
Key = tuple[str, str]
"""Namespace ("" for none) and name."""

KEPT_CHANGES = 20_000  # about a minute at the rate this server is made for
KEPT_BYTES = 128 << 20  # so that large objects do not fill the memory
LARGEST_OBJECT = 1_572_864 - 512  # bytes: what etcd takes by default, less its own overhead
COMPACT_EVERY = 1_000  # changes: one transaction for many deletions

EVERYTHING = "*"  # watches all resources

APPLICATION_ID = 0x67726C6F  # "grlo": tells our files from other SQLite files
FORMAT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS change (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The data file cannot be used."""


class Record:
    """One object at one revision."""

    __slots__ = ("_value", "data", "key", "revision", "stored")

    def __init__(self, key: Key, revision: int, stored: bytes, data: bytes) -> None:
        self.key = key
        self.revision = revision
        self.stored = stored
        self.data = data
        self._value: Json | None = None

    @property
    def value(self) -> Json:
        """The object, parsed. Not to be changed."""
        if self._value is None:
            self._value = orjson.loads(self.data)
        return self._value

    def forget(self) -> None:
        """Keep the bytes only: the object is not the current one any more."""
        self._value = None

    @classmethod
    def of(cls, key: Key, revision: int, value: Json, stored: Json) -> "Record":
        """Make the record of a value shown, where `stored` is what goes into the file."""
        data = dump(value)
        record = cls(key, revision, data if stored is value else dump(stored), data)
        record._value = value
        return record


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `record` of a deletion is the last state, at the deletion's revision."""

    type: ChangeType
    resource: str
    record: Record
    previous: Record | None


Decode = Callable[[Json], Json]
OnChange = Callable[[Change], None]


def dump(value: object) -> bytes:
    """Serialize as the API server does: keys in order."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def is_same(one: object, other: object) -> bool:
    """Return whether two values are written as the same JSON.

    To Python `False == 0` and `1 == 1.0`; as bytes they differ. Whole floats were read as integers.
    """
    return one is other or (one == other and dump(one) == dump(other))


class Store:
    """Objects of all resources."""

    def __init__(self, path: Path | None = None) -> None:
        self._database = _open(path)
        self._objects: dict[str, dict[Key, Record]] = {}
        self._changes: deque[Change] = deque()
        self._kept_bytes = 0
        self._watchers: dict[str, list[OnChange]] = {}
        self.compacted = int(self.fact("compacted") or 0)
        self.revision = int(self.fact("revision") or 1)
        self._load()

    def close(self) -> None:
        """Write the rest and close the file."""
        self._database.close()

    def fact(self, name: str) -> str | None:
        """Read a fact about this store."""
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Note a fact about this store."""
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def get(self, resource: str, key: Key) -> Record | None:
        """Give an object."""
        return self._objects.get(resource, {}).get(key)

    def records(self, resource: str) -> dict[Key, Record]:
        """Give all objects of a resource. Not to be changed."""
        return self._objects.setdefault(resource, {})

    def resources(self) -> list[str]:
        """Name the resources that there are objects of."""
        return [resource for resource, records in self._objects.items() if records]

    def put(self, resource: str, key: Key, value: Json, stored: Json | None = None) -> Record:
        """Write an object, at the next revision, which becomes its resourceVersion.

        `stored` is the part of `value` that is to be kept, where that is not all.
        """
        revision = self.revision + 1
        value["metadata"]["resourceVersion"] = str(revision)
        record = Record.of(key, revision, value, value if stored is None else stored)
        if len(record.stored) > LARGEST_OBJECT:
            raise too_large_object()
        previous = self.get(resource, key)
        self._commit(Change("MODIFIED" if previous else "ADDED", resource, record, previous))
        return record

    def delete(self, resource: str, key: Key) -> Record:
        """Remove an object; give its last state, at the revision of the removal."""
        previous = self._objects[resource][key]
        revision = self.revision + 1
        metadata = {**previous.value["metadata"], "resourceVersion": str(revision)}
        last = {**previous.value, "metadata": metadata}
        record = Record.of(key, revision, last, last)
        self._commit(Change("DELETED", resource, record, previous))
        return record

    def reread(self, resource: str, decode: Decode) -> None:
        """Fill in defaults anew: nothing is written, and no watch hears of it."""
        records = self.records(resource)
        for key, record in records.items():
            data = dump(decode(orjson.loads(record.stored)))
            records[key] = Record(key, record.revision, record.stored, data)

    def changes_since(self, revision: int) -> Iterator[Change]:
        """Give the kept changes after a revision, oldest first."""
        newest_first = []
        for change in reversed(self._changes):
            if change.record.revision <= revision:
                break
            newest_first.append(change)
        return reversed(newest_first)

    def snapshot(self, resource: str, revision: int) -> dict[Key, Record]:
        """Give the objects of a resource as they were at a revision.

        Raises:
            ApiError: the changes since then are not all kept.
        """
        if revision < self.compacted:
            raise expired("The resourceVersion for the provided list is too old.")
        if revision >= self.revision:
            return self.records(resource)
        records = dict(self.records(resource))
        for change in reversed(list(self.changes_since(revision))):
            if change.resource == resource:
                _undo(records, change)
        return records

    def watch(self, resource: str, on_change: OnChange) -> Callable[[], None]:
        """Call `on_change` with each change, in order, at once. Gives what ends that."""
        watchers = self._watchers.setdefault(resource, [])
        watchers.append(on_change)
        return lambda: watchers.remove(on_change)

    def compact(self, keep: int) -> None:
        """Drop all but the newest changes."""
        superseded: list[tuple[int]] = []
        while len(self._changes) > keep or self._kept_bytes > KEPT_BYTES:
            change = self._changes.popleft()
            self.compacted = change.record.revision
            self._kept_bytes -= len(change.record.data)
            if change.previous:
                superseded.append((change.previous.revision,))
            if change.type == "DELETED":
                superseded.append((change.record.revision,))
        self._write_compaction(superseded)

    def _write_compaction(self, superseded: list[tuple[int]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("DELETE FROM change WHERE revision = ?", superseded)
        self.set_fact("compacted", str(self.compacted))
        self.set_fact("revision", str(self.revision))
        self._database.execute("COMMIT")

    def _commit(self, change: Change) -> None:
        record = change.record
        self._database.execute(
            "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?)",
            (record.revision, change.type, change.resource, *record.key, record.stored),
        )
        self._apply(change)
        if len(self._changes) >= KEPT_CHANGES + COMPACT_EVERY or self._kept_bytes > KEPT_BYTES:
            self.compact(KEPT_CHANGES)
        for resource in (change.resource, EVERYTHING):
            for on_change in tuple(self._watchers.get(resource, ())):
                on_change(change)
        if change.previous:
            change.previous.forget()

    def _apply(self, change: Change) -> None:
        record = change.record
        self.revision = record.revision
        self._changes.append(change)
        self._kept_bytes += len(record.data)
        objects = self._objects.setdefault(change.resource, {})
        if change.type == "DELETED":
            objects.pop(record.key, None)
        else:
            objects[record.key] = record

    def _load(self) -> None:
        rows = self._database.execute(
            "SELECT revision, type, resource, namespace, name, body FROM change ORDER BY revision"
        )
        for revision, type_, resource, namespace, name, body in rows:
            record = Record((namespace, name), revision, body, body)
            previous = self.get(resource, record.key)
            if revision > self.compacted:
                self._apply(Change(type_, resource, record, previous))
            else:
                self.records(resource)[record.key] = record
        self.revision = max(self.revision, self.compacted)


def _undo(records: dict[Key, Record], change: Change) -> None:
    if change.previous:
        records[change.record.key] = change.previous
    else:
        records.pop(change.record.key, None)


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        if path and path.exists() and not path.is_file():
            raise StoreError(f"The data file {path} cannot be opened: it is not a file.")
        if path:
            path.touch(mode=0o600)  # it holds the token and the key
        # A file is ours alone: nobody else may write, and a reader would see half of the truth.
        database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=1.0)
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        _claim(database, path)
        database.execute("PRAGMA journal_mode = WAL")
        # WAL without a sync per commit: survives the end of the process, not of the power.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
        database.executescript(SCHEMA)
    except OSError as error:
        raise StoreError(f"The data file {path} cannot be opened: {error.strerror}.") from error
    except sqlite3.OperationalError as error:
        why = "another process uses it" if "locked" in str(error) else str(error)
        raise StoreError(f"The data file {path} cannot be opened: {why}.") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"The file {path} is no data file of this server: {error}.") from error
    return database


def _claim(database: sqlite3.Connection, path: Path | None) -> None:
    application, version, tables = (
        database.execute(query).fetchone()[0]
        for query in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if application == APPLICATION_ID and version == FORMAT:
        return
    if tables or application:
        raise StoreError(
            f"The file {path} is no data file of this server, or of another version of it."
            " Name another file."
        )
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {FORMAT}")
