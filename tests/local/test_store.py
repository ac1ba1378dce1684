"""The store: revisions, the log of changes, compaction and the file."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from grctl_local.errors import Json, StatusError
from grctl_local.store import ALL_RESOURCES, ObjectStore, StoredChange, StoreError

THINGS = "things.example.com"


def put(store: ObjectStore, name: str, resource: str = THINGS, **fields: Any) -> int:
    """Write an object. Return its revision."""
    value: Json = {"metadata": {"name": name}, **fields}
    return store.put(resource, ("ns", name), value).revision


def names(store: ObjectStore, revision: int) -> list[str]:
    return sorted(name for _, name in store.snapshot(THINGS, revision))


def history(store: ObjectStore, since: int) -> list[tuple[str, str]]:
    return [(change.type, change.record.key[1]) for change in store.changes_since(since)]


def test_one_counter_numbers_all_writes() -> None:
    store = ObjectStore()
    revisions = [put(store, "a"), put(store, "b", "others.example.com"), put(store, "a", x=1)]

    assert revisions == [2, 3, 4]
    assert store.delete(THINGS, ("ns", "a")).revision == 5


def test_an_objects_resource_version_is_the_revision_of_its_write() -> None:
    store = ObjectStore()
    put(store, "a")
    record = store.get(THINGS, ("ns", "a"))

    assert record
    assert record.value["metadata"]["resourceVersion"] == "2"
    assert b'"resourceVersion":"2"' in record.data


def test_the_log_holds_the_changes_after_a_revision() -> None:
    store = ObjectStore()
    start = put(store, "a")
    put(store, "b")
    put(store, "a", x=1)
    store.delete(THINGS, ("ns", "b"))

    assert history(store, start) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_snapshot_holds_the_objects_of_its_revision() -> None:
    store = ObjectStore()
    put(store, "a", x=1)
    then = put(store, "b")
    put(store, "a", x=2)
    store.delete(THINGS, ("ns", "b"))
    put(store, "c")

    assert names(store, then) == ["a", "b"]
    assert store.snapshot(THINGS, then)["ns", "a"].value["x"] == 1
    assert names(store, store.revision) == ["a", "c"]


def test_compaction_keeps_the_objects_and_the_newest_changes() -> None:
    store = ObjectStore()
    for number in range(10):
        put(store, f"w{number}")
    put(store, "w0", x=1)
    store.delete(THINGS, ("ns", "w1"))
    store.compact(keep=1)

    assert history(store, store.compacted) == [("DELETED", "w1")]
    assert names(store, store.revision) == ["w0", *(f"w{n}" for n in range(2, 10))]


def test_a_compacted_revision_is_refused() -> None:
    store = ObjectStore()
    then = put(store, "a")
    put(store, "b")
    put(store, "c")
    store.compact(keep=1)

    with pytest.raises(StatusError, match="too old") as refused:
        store.snapshot(THINGS, then)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")


def test_a_watcher_gets_the_changes_of_its_resource_in_order() -> None:
    store = ObjectStore()
    heard: list[StoredChange] = []
    all_of_it: list[StoredChange] = []
    stop = store.watch(THINGS, heard.append)
    store.watch(ALL_RESOURCES, all_of_it.append)
    put(store, "a")
    put(store, "x", "others.example.com")
    store.delete(THINGS, ("ns", "a"))
    stop()
    put(store, "b")

    assert [change.type for change in heard] == ["ADDED", "DELETED"]
    assert len(all_of_it) == 4


def test_a_too_large_object_is_not_written() -> None:
    store = ObjectStore()
    with pytest.raises(StatusError, match="request is too large"):
        put(store, "a", x="y" * 1_600_000)

    assert store.revision == 1
    assert store.get(THINGS, ("ns", "a")) is None


def test_objects_and_log_are_read_back_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    store = ObjectStore(path)
    start = put(store, "a", x=1)
    put(store, "b")
    put(store, "a", x=2)
    store.delete(THINGS, ("ns", "b"))
    store.close()
    again = ObjectStore(path)

    assert names(again, again.revision) == ["a"]
    assert again.get(THINGS, ("ns", "a")).value["x"] == 2  # type: ignore[union-attr]
    assert history(again, start) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert names(again, start) == ["a"]
    assert put(again, "c") == store.revision + 1
    again.close()


def test_a_compacted_file_keeps_its_revision(tmp_path: Path) -> None:
    path = tmp_path / "data"
    store = ObjectStore(path)
    put(store, "a")
    put(store, "b")
    store.delete(THINGS, ("ns", "b"))
    store.delete(THINGS, ("ns", "a"))
    store.compact(keep=0)
    store.close()
    again = ObjectStore(path)

    assert names(again, again.revision) == []
    assert (again.revision, again.compacted) == (5, 5)
    again.close()


def test_compaction_removes_replaced_changes_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    store = ObjectStore(path)
    for number in range(20):
        put(store, "a", x=number)
    store.compact(keep=2)
    store.close()

    with sqlite3.connect(path) as database:
        [count] = database.execute("SELECT count(*) FROM change").fetchone()
    database.close()
    assert count == 3  # two changes, and the state before them


def test_a_shown_object_may_have_more_fields_than_the_stored_one() -> None:
    store = ObjectStore()
    stored: Json = {"metadata": {"name": "a"}}
    store.put(THINGS, ("ns", "a"), {**stored, "status": {"phase": "Pending"}}, stored)
    store.reread(THINGS, lambda value: {**value, "status": {"phase": "New"}})

    record = store.get(THINGS, ("ns", "a"))
    assert record
    assert record.value["status"] == {"phase": "New"}
    assert b"status" not in record.stored


@pytest.mark.parametrize("content", [b"not a database at all, but text" * 40, None])
def test_a_file_of_another_program_is_not_changed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "data"
    if content:
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE precious (x)")
        database.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="not a data file of this server"):
        ObjectStore(path)
    assert path.read_bytes() == before


def test_a_file_is_used_by_one_process(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "data")
    with pytest.raises(StoreError, match="another process uses it"):
        ObjectStore(tmp_path / "data")
    store.close()


def test_a_file_in_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        ObjectStore(tmp_path / "nowhere" / "data")
