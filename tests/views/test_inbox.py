"""The groups of an inbox: whatever happens to it, they hold its events in order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from grctl_operator.engine.observation import EventGroup, group_events
from grctl_operator.views.events import EventCache
from tests.engine.builders import NOON
from tests.engine.items import KEY, cache_of, item, settled

NAMES = ("a", "b", "c", "d")


def groups_of(cache: EventCache) -> dict[EventGroup, list[str]]:
    groups = cache.get_view(KEY).groups or {}
    return {group: list(events) for group, events in groups.items()}


def test_events_that_differ_for_a_wait_or_a_handler_are_in_groups_of_their_own() -> None:
    cache = cache_of(
        item("a", 10),
        item("b", 11, runUid="run-1"),
        item("c", 12, eventName="reject"),
        item("d", 13),
    )

    assert groups_of(cache) == {
        EventGroup("approve", None, True): ["uid-of-a", "uid-of-d"],
        EventGroup("approve", "run-1", True): ["uid-of-b"],
        EventGroup("reject", None, True): ["uid-of-c"],
    }


def test_a_group_without_events_is_forgotten() -> None:
    cache = cache_of(item("a", 10), item("b", 11, eventName="reject"))

    cache.on_change("MODIFIED", settled("a", 12))

    assert groups_of(cache) == {EventGroup("reject", None, True): ["uid-of-b"]}


changes = st.lists(
    st.tuples(
        st.sampled_from(["ADDED", "MODIFIED", "DELETED", "settled", "listed"]),
        st.sampled_from(NAMES),
        st.sampled_from(["approve", "reject"]),
        st.sampled_from([None, "run-1"]),
        st.sampled_from([None, 1, 5, 50]),
    ),
    max_size=20,
)


@given(changes)
def test_the_groups_hold_the_events_of_the_inbox_in_its_order(steps: list[Any]) -> None:
    cache, known = EventCache(), dict[str, Any]()
    for revision, (change, name, event_name, run_uid, place) in enumerate(steps, 10):
        addressed = {} if run_uid is None else {"runUid": run_uid}
        spec = known.setdefault(name, {"eventName": event_name, **addressed})
        waits = item(name, revision, status=place and {"place": place}, **spec)
        match change:
            case "settled":
                cache.on_answer(settled(name, revision))
            case "listed":
                cache.on_list([waits], revision, {}, NOON)
            case _:
                cache.on_change(change, waits)
        view = cache.get_view(KEY)
        wanted = {group: list(events) for group, events in group_events(view).items()}
        assert groups_of(cache) == wanted
