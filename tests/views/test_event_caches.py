"""Several watches of events, each with its own progress."""

from datetime import UTC, datetime
from typing import Any

from grctl_operator.engine.observation import Key
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import KnownRun

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHOP, BANK = Key("shop", "order-1"), Key("bank", "order-1")

Json = dict[str, Any]


def event(version: int, uid: str, namespace: str, phase: str | None = None) -> Json:
    return {
        "metadata": {
            "name": f"approve-{uid}",
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-11-23T11:59:00Z",
        },
        "spec": {"workflowId": "order-1", "eventName": "approve"},
        "status": {"phase": phase} if phase else {},
    }


def waiting(caches: EventCaches, key: Key) -> list[str]:
    return list(caches.of(key).get_view(key).by_uid)


def test_a_run_of_the_same_id_elsewhere_has_its_own_events() -> None:
    caches = EventCaches(["shop", "bank"])
    caches.get("shop").on_change("ADDED", event(10, "a", "shop"))
    caches.get("bank").on_change("ADDED", event(11, "b", "bank"))
    assert (waiting(caches, SHOP), waiting(caches, BANK)) == (["a"], ["b"])
    assert len(caches) == 2
    assert set(caches.keys()) == {SHOP, BANK}


def test_the_progress_of_one_watch_proves_nothing_about_another() -> None:
    caches = EventCaches(["shop", "bank"])
    caches.get("shop").on_list([event(10, "a", "shop")], 10, {}, NOON)
    ours = event(20, "a", "shop", "Processed")  # the answer of a write that is not watched yet
    caches.get("shop").on_answer(ours)
    caches.get("bank").on_bookmark(30)
    caches.get("shop").on_change("MODIFIED", event(15, "a", "shop"))  # a label, from before
    assert waiting(caches, SHOP) == []


def test_a_list_of_one_namespace_removes_no_event_of_another() -> None:
    caches = EventCaches(["shop", "bank"])
    caches.get("shop").on_change("ADDED", event(10, "a", "shop"))
    caches.get("bank").on_list([], 40, {}, NOON)
    assert waiting(caches, SHOP) == ["a"]


def test_a_view_is_complete_for_the_run_that_was_known_when_it_was_listed() -> None:
    caches = EventCaches(["shop", "bank"])
    known = KnownRun("u1", "9", commits=3)
    caches.get("shop").on_list([], 10, {SHOP: known}, NOON)
    assert caches.of(SHOP).get_view(SHOP).is_complete("u1", 3)
    assert not caches.of(SHOP).get_view(SHOP).is_complete("u1", 4)
    assert not caches.of(SHOP).get_view(SHOP).is_complete("u2", 3)
    assert not caches.of(BANK).get_view(BANK).is_complete("u1", 3)


def test_without_names_one_cache_holds_all_namespaces() -> None:
    caches = EventCaches()
    for item in (event(10, "a", "shop"), event(11, "b", "bank")):
        caches.get(None).on_change("ADDED", item)
    caches.of(SHOP).on_missing(SHOP, "a")
    assert (waiting(caches, SHOP), waiting(caches, BANK)) == ([], ["b"])


def test_inversions_are_counted_over_all() -> None:
    caches = EventCaches(["shop", "bank"])
    caches.get("shop").on_change("ADDED", event(12, "a", "shop"))
    caches.get("shop").on_answer(event(11, "b", "shop"))
    assert caches.inversions == 1
