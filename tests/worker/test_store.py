"""ctx.store: a handler reads its own writes; copies, types and sizes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.worker.store import Store, StoreKeyNotFoundError, StoreTypeError


class Line(BaseModel):
    sku: str
    count: int = 1


async def test_a_handler_reads_its_own_writes() -> None:
    store = Store({"status": "new"})

    store.put("status", "approved")

    assert await store.get("status") == "approved"
    assert store.changes() == ({"status": "approved"}, ())


async def test_a_missing_key_is_named_beside_the_keys_that_there_are() -> None:
    store = Store({"status": "new", "qty": 1})

    with pytest.raises(
        StoreKeyNotFoundError, match=r"^ctx.store has no key 'stat'; it has 'status', 'qty'"
    ):
        await store.get("stat")
    with pytest.raises(KeyError, match="it has nothing yet"):
        await Store({}).get("stat")


async def test_a_default_stands_for_a_missing_key_only() -> None:
    store = Store({"paid": None})

    assert await store.get("paid", True) is None
    assert await store.get("sent", False) is False
    assert await store.get("sent", default=None, as_type=datetime) is None


async def test_a_value_is_kept_as_it_was_when_it_was_put() -> None:
    store, lines = Store({}), [{"sku": "a"}]
    store.put("lines", lines)

    lines.append({"sku": "b"})
    (await store.get("lines")).clear()

    assert store.changes()[0] == {"lines": [{"sku": "a"}]}


async def test_changing_a_value_from_the_store_does_not_change_the_store() -> None:
    store = Store({"line": {"sku": "a"}})

    (await store.get("line"))["sku"] = "b"

    assert await store.get("line") == {"sku": "a"}
    assert store.changes() == ({}, ())


async def test_values_come_back_as_their_type() -> None:
    store, now = Store({}), datetime(2026, 1, 2, tzinfo=UTC)
    store.put("line", Line(sku="a"))
    store.put("at", now)

    assert await store.get("line", as_type=Line) == Line(sku="a")
    assert await store.get("at", as_type=datetime) == now
    assert await store.get("line") == {"sku": "a", "count": 1}


async def test_a_value_that_does_not_fit_the_type_is_named() -> None:
    with pytest.raises(StoreTypeError, match=r"ctx.store\['line'\] does not fit .*Line"):
        await Store({"line": 3}).get("line", as_type=Line)


async def test_a_deleted_key_is_gone_and_may_be_put_again() -> None:
    store = Store({"a": 1, "b": 2})

    store.delete("a")
    store.delete("never")
    assert await store.keys() == ("b",)
    assert store.changes() == ({}, ("a",))

    store.put("a", 3)
    assert store.changes() == ({"a": 3}, ())


def test_a_key_that_was_put_and_deleted_again_is_not_put() -> None:
    store = Store({})
    store.put("a", 1)

    store.delete("a")

    assert store.changes()[0] == {}


def test_a_value_that_cannot_be_kept_is_named_by_key_and_type() -> None:
    with pytest.raises(NotJsonError, match=r"ctx.store\['call'\] is a function"):
        Store({}).put("call", test_a_value_that_cannot_be_kept_is_named_by_key_and_type)


def test_a_key_is_text() -> None:
    key: Any = 3

    with pytest.raises(TypeError, match=r"A key of ctx.store is text, not 3 \(int\)"):
        Store({}).put(key, 1)


def test_a_store_that_is_too_large_as_a_whole_names_its_largest_keys() -> None:
    store = Store({"old": "x" * 200 * 1024, "small": 1})
    store.put("new", "x" * 100 * 1024)

    with pytest.raises(TooLargeError, match=r"would hold 300.* at most 256.*'old' 200.*'new' 100"):
        store.changes()

    store.delete("old")
    assert set(store.changes()[0]) == {"new"}
