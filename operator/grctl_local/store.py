"""All objects and the log of their changes: what etcd is to an API server.

1. One counter, the revision, numbers the writes of all resources.
2. A write is in the file before any client or watch sees it. It survives kill -9.
3. The newest changes are kept, so that a watch can go on from any kept revision.
4. The current objects are in memory too. Each is parsed once and serialized once. A caller must
   not change a value that it gets.
5. A stored object may lack defaults that clients see: they are filled in when it is read.

The file is one table of changes. The last change of an object is the object. Compaction removes
each change that is older than the kept ones and that a later change has replaced.
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

MAX_KEPT_CHANGES = 20_000  # about a minute at the rate that this server is made for
MAX_KEPT_BYTES = 128 << 20  # so that large objects do not fill the memory
MAX_OBJECT_BYTES = 1_572_864 - 512  # what etcd takes by default, less its own overhead
COMPACTION_BATCH_SIZE = 1_000  # changes removed in one transaction

ALL_RESOURCES = "*"
"""In place of a resource: a watch of all resources."""

APPLICATION_ID = 0x67726C6F  # "grlo": marks the SQLite files of this server
FORMAT_VERSION = 1
TABLES_SQL = """
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
        """The parsed object. The caller must not change it."""
        if self._value is None:
            self._value = orjson.loads(self.data)
        return self._value

    def drop_value(self) -> None:
        """Drop the parsed object and keep the bytes: a later revision has replaced this one."""
        self._value = None

    @classmethod
    def of(cls, key: Key, revision: int, value: Json, stored: Json) -> "Record":
        """Return the record of an object. Clients see `value`, the file gets `stored`."""
        data = dump(value)
        record = cls(key, revision, data if stored is value else dump(stored), data)
        record._value = value
        return record


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One write. For a deletion, `record` is the last state, at the revision of the deletion."""

    type: ChangeType
    resource: str
    record: Record
    previous: Record | None


Decode = Callable[[Json], Json]
OnChange = Callable[[StoredChange], None]


def dump(value: object) -> bytes:
    """Return a value as JSON with sorted keys, as the API server writes it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def is_same(one: object, other: object) -> bool:
    """Return whether two values are written as the same JSON.

    To Python `False == 0` and `1 == 1.0`; as bytes they differ. Whole floats were read as integers.
    """
    return one is other or (one == other and dump(one) == dump(other))


class ObjectStore:
    """The objects of all resources."""

    def __init__(self, path: Path | None = None) -> None:
        self._database = _open(path)
        self._objects: dict[str, dict[Key, Record]] = {}
        self._changes: deque[StoredChange] = deque()
        self._kept_bytes = 0
        self._watchers: dict[str, list[OnChange]] = {}
        self.compacted = int(self.fact("compacted") or 0)
        self.revision = int(self.fact("revision") or 1)
        self._load()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def fact(self, name: str) -> str | None:
        """Return a fact about this store, or None if it was never set."""
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Write a fact about this store."""
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def get(self, resource: str, key: Key) -> Record | None:
        """Return an object, or None if it does not exist."""
        return self._objects.get(resource, {}).get(key)

    def records(self, resource: str) -> dict[Key, Record]:
        """Return all objects of a resource. The caller must not change the dict."""
        return self._objects.setdefault(resource, {})

    def resources(self) -> list[str]:
        """Return the resources that have at least one object."""
        return [resource for resource, records in self._objects.items() if records]

    def put(self, resource: str, key: Key, value: Json, stored: Json | None = None) -> Record:
        """Write an object at the next revision, which becomes its resourceVersion.

        `stored` is the object as the file keeps it, if that is less than `value`.
        """
        revision = self.revision + 1
        value["metadata"]["resourceVersion"] = str(revision)
        record = Record.of(key, revision, value, value if stored is None else stored)
        if len(record.stored) > MAX_OBJECT_BYTES:
            raise too_large_object()
        previous = self.get(resource, key)
        self._commit(StoredChange("MODIFIED" if previous else "ADDED", resource, record, previous))
        return record

    def delete(self, resource: str, key: Key) -> Record:
        """Remove an object. Return its last state, at the revision of the removal."""
        previous = self._objects[resource][key]
        revision = self.revision + 1
        metadata = {**previous.value["metadata"], "resourceVersion": str(revision)}
        last = {**previous.value, "metadata": metadata}
        record = Record.of(key, revision, last, last)
        self._commit(StoredChange("DELETED", resource, record, previous))
        return record

    def reread(self, resource: str, decode: Decode) -> None:
        """Decode the objects of a resource again. Write nothing and tell no watch.

        This applies new defaults after a change of the schema.
        """
        records = self.records(resource)
        for key, record in records.items():
            data = dump(decode(orjson.loads(record.stored)))
            records[key] = Record(key, record.revision, record.stored, data)

    def changes_since(self, revision: int) -> Iterator[StoredChange]:
        """Return the kept changes after a revision, oldest first."""
        newest_first = []
        for change in reversed(self._changes):
            if change.record.revision <= revision:
                break
            newest_first.append(change)
        return reversed(newest_first)

    def snapshot(self, resource: str, revision: int) -> dict[Key, Record]:
        """Return the objects of a resource as they were at a revision.

        Raises:
            StatusError: some changes since then have been compacted.
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
        """Call `on_change` with each change, in order, within the write.

        Return a function that ends the watch.
        """
        watchers = self._watchers.setdefault(resource, [])
        watchers.append(on_change)
        return lambda: watchers.remove(on_change)

    def compact(self, keep: int) -> None:
        """Drop all but the newest `keep` changes, and more if these are too large."""
        superseded: list[tuple[int]] = []
        while len(self._changes) > keep or self._kept_bytes > MAX_KEPT_BYTES:
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

    def _commit(self, change: StoredChange) -> None:
        record = change.record
        self._database.execute(
            "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?)",
            (record.revision, change.type, change.resource, *record.key, record.stored),
        )
        self._apply(change)
        too_many = len(self._changes) >= MAX_KEPT_CHANGES + COMPACTION_BATCH_SIZE
        if too_many or self._kept_bytes > MAX_KEPT_BYTES:
            self.compact(MAX_KEPT_CHANGES)
        for resource in (change.resource, ALL_RESOURCES):
            for on_change in tuple(self._watchers.get(resource, ())):
                on_change(change)
        if change.previous:
            change.previous.drop_value()

    def _apply(self, change: StoredChange) -> None:
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
                self._apply(StoredChange(type_, resource, record, previous))
            else:
                self.records(resource)[record.key] = record
        self.revision = max(self.revision, self.compacted)


def _undo(records: dict[Key, Record], change: StoredChange) -> None:
    if change.previous:
        records[change.record.key] = change.previous
    else:
        records.pop(change.record.key, None)


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        if path and path.exists() and not path.is_file():
            raise StoreError(f"The data file {path} cannot be opened: it is not a file.")
        if path:
            path.touch(mode=0o600)  # the file holds the token and the private key
        # The file belongs to one process: another would miss what this one holds in memory.
        database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=1.0)
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        _claim(database, path)
        database.execute("PRAGMA journal_mode = WAL")
        # WAL without a sync per commit survives the end of the process, but not a power failure.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
        database.executescript(TABLES_SQL)
    except OSError as error:
        raise StoreError(f"The data file {path} cannot be opened: {error.strerror}.") from error
    except sqlite3.OperationalError as error:
        why = "another process uses it" if "locked" in str(error) else str(error)
        raise StoreError(f"The data file {path} cannot be opened: {why}.") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"The file {path} is not a data file of this server: {error}.") from error
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
    if application == APPLICATION_ID and version == FORMAT_VERSION:
        return
    if tables or application:
        raise StoreError(
            f"The file {path} is not a data file of this server, or of another version of it."
            " Name another file."
        )
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
