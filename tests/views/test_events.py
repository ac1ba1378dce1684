"""The inbox of each run after changes and answers: notes 1 to 3 of the cache."""

from grctl.json.raw_json import RawJson
from grctl_operator.views.events import EventCache
from grctl_operator.views.inbox import KnownEvent
from tests.engine.builders import NOON, at
from tests.engine.items import KEY, OTHER, RUN, cache_of, item, names, settled


def version_of(cache: EventCache, uid: str) -> str | None:
    known = cache.find(KEY, uid)
    return known.version if known else None


def test_a_watched_event_waits_in_the_inbox_of_its_run() -> None:
    cache = EventCache()

    key = cache.on_change("ADDED", item("a", 10, payload={"n": 1}, runUid="run-1"))

    assert key == KEY
    assert list(cache.get_view(KEY)) == [
        KnownEvent(
            uid="uid-of-a",
            name="a",
            event_name="approve",
            created=at("11:00"),
            place=10,
            payload=RawJson(b'{"n":1}'),
            run_uid="run-1",
            version="10",
        )
    ]


def test_each_run_has_an_inbox_of_its_own() -> None:
    cache = cache_of(item("a", 10), item("b", 11, key=OTHER))

    assert (names(cache), names(cache, OTHER), len(cache)) == (["a"], ["b"], 2)
    assert cache.keys() == (KEY, OTHER)


def test_events_are_in_the_order_of_their_revisions_compared_as_numbers() -> None:
    cache = cache_of(item("a", 9), item("b", 10), item("c", 100))

    assert names(cache) == ["a", "b", "c"]


def test_an_event_that_the_watch_ends_no_longer_waits() -> None:
    cache = cache_of(item("a", 10), item("b", 11), item("c", 12))

    assert cache.on_change("DELETED", item("a", 13)) == KEY
    assert cache.on_change("MODIFIED", settled("b", 14)) == KEY
    assert cache.on_change("MODIFIED", item("c", 15, deleting=True)) == KEY
    assert names(cache) == []


def test_a_change_that_is_not_news_needs_no_reconcile() -> None:
    cache = cache_of(item("a", 10))

    assert cache.on_change("ADDED", item("a", 10)) is None
    assert cache.on_change("DELETED", item("never-seen", 11)) is None


# Note 1: the newer version wins


def test_an_older_object_from_the_watch_is_ignored() -> None:
    cache = EventCache()
    cache.on_answer(item("a", 12))

    assert cache.on_change("ADDED", item("a", 10)) is None
    assert [version_of(cache, event.uid) for event in cache.get_view(KEY)] == ["12"]


def test_an_older_end_from_the_watch_is_ignored() -> None:
    cache = EventCache()
    cache.on_answer(item("a", 12))

    cache.on_change("DELETED", item("a", 11))

    assert names(cache) == ["a"]


def test_an_older_object_from_a_list_is_ignored() -> None:
    cache = cache_of(item("a", 10))
    cache.on_change("MODIFIED", item("a", 12))

    cache.on_run_list(KEY, [item("a", 10)], 11, RUN, NOON)

    assert [version_of(cache, event.uid) for event in cache.get_view(KEY)] == ["12"]


def test_a_list_that_the_watch_has_overtaken_brings_no_event_back() -> None:
    cache = cache_of(item("a", 10))
    cache.on_change("DELETED", item("a", 12))

    cache.on_run_list(KEY, [item("a", 10)], 11, RUN, NOON)

    assert names(cache) == []


# Note 2: an answer counts at once


def test_our_own_settling_counts_before_the_watch_shows_it() -> None:
    cache = cache_of(item("a", 10))

    cache.on_answer(settled("a", 15))

    assert names(cache) == []


def test_an_older_change_does_not_bring_a_settled_event_back() -> None:
    cache = EventCache()
    cache.on_answer(settled("a", 15))

    assert cache.on_change("ADDED", item("a", 10)) is None
    assert cache.on_change("MODIFIED", item("a", 12)) is None
    assert names(cache) == []


def test_a_list_from_before_does_not_bring_a_settled_event_back() -> None:
    cache = cache_of(item("a", 10))
    cache.on_answer(settled("a", 15))

    cache.on_run_list(KEY, [item("a", 10)], 14, RUN, NOON)
    cache.on_list([item("a", 10)], 14, {}, NOON)

    assert names(cache) == []


def test_a_missing_event_is_not_brought_back_by_the_watch() -> None:
    cache = cache_of(item("a", 10))

    cache.on_missing(KEY, "uid-of-a")
    cache.on_change("MODIFIED", item("a", 12))

    assert names(cache) == []


def test_an_event_sent_again_under_the_same_name_is_another_event() -> None:
    cache = cache_of(item("a", 10))
    cache.on_missing(KEY, "uid-of-a")
    again = item("a", 20)
    again["metadata"]["uid"] = "another-uid"

    cache.on_change("ADDED", again)

    assert [event.uid for event in cache.get_view(KEY)] == ["another-uid"]


def test_a_settled_event_is_forgotten_when_the_watch_has_passed_it() -> None:
    cache = cache_of(item("a", 10), item("b", 11), item("c", 12))
    cache.on_answer(settled("a", 15))
    cache.on_answer(settled("b", 16))
    cache.on_missing(KEY, "uid-of-c")

    cache.on_change("DELETED", settled("a", 15))
    cache.on_bookmark(16)
    cache.on_change("DELETED", item("c", 17))

    assert cache._gone == {}


def test_a_missing_event_is_forgotten_when_a_full_list_lacks_it() -> None:
    cache = cache_of(item("a", 10))
    cache.on_missing(KEY, "uid-of-a")

    cache.on_list([], 20, {}, NOON)

    assert cache._gone == {}


# Note 3: places


def test_an_event_that_somebody_changed_keeps_its_place() -> None:
    cache = cache_of(item("a", 10), item("b", 11))

    cache.on_change("MODIFIED", item("a", 12))

    assert [
        (each.name, each.place, version_of(cache, each.uid)) for each in cache.get_view(KEY)
    ] == [
        ("a", 10, "12"),
        ("b", 11, "11"),
    ]
    assert [each.name for each in cache.get_view(KEY).changed] == ["a"]


def test_an_event_whose_status_keeps_its_place_is_not_among_the_changed() -> None:
    cache = cache_of(item("a", 10))
    cache.on_change("MODIFIED", item("a", 12))

    cache.on_answer(item("a", 13, status={"place": 10}))
    cache.on_change("MODIFIED", item("a", 14, status={"place": 10}))

    assert cache.get_view(KEY).changed == ()
    assert [each.place for each in cache.get_view(KEY)] == [10]


def test_a_kept_place_counts_for_an_event_that_is_new_to_the_operator() -> None:
    cache = EventCache()

    cache.on_list([item("a", 30, status={"place": 10}), item("b", 20)], 40, {}, NOON)

    assert [(each.name, each.place) for each in cache.get_view(KEY)] == [("a", 10), ("b", 20)]
    assert cache.get_view(KEY).changed == ()


def test_an_event_moves_to_a_place_that_its_status_shows_later() -> None:
    cache = cache_of(item("b", 20), item("a", 30))

    cache.on_change("MODIFIED", item("a", 31, status={"place": 10}))

    assert names(cache) == ["a", "b"]


def test_an_event_that_ends_is_not_among_the_changed() -> None:
    cache = cache_of(item("a", 10))
    cache.on_change("MODIFIED", item("a", 12))

    cache.on_change("DELETED", item("a", 13))

    assert cache.get_view(KEY).changed == ()


def test_an_event_that_appears_behind_a_later_one_is_counted() -> None:
    cache = cache_of(item("b", 20))
    cache.on_answer(item("a", 10))

    assert names(cache) == ["a", "b"]
    assert cache.inversions == 1


def test_a_kept_place_is_not_an_inversion() -> None:
    cache = cache_of(item("b", 20))

    cache.on_change("ADDED", item("a", 30, status={"place": 10}))

    assert names(cache) == ["a", "b"]
    assert cache.inversions == 0


# Commits, orphans, runs that are gone


def test_our_own_commits_keep_a_complete_view_complete() -> None:
    cache = EventCache()

    cache.on_commit(KEY, "run-1", 0, 1)
    cache.on_commit(KEY, "run-1", 1, 2)

    assert cache.get_view(KEY).complete_for == ("run-1", 2)


def test_our_commit_upon_one_that_we_did_not_write_leaves_the_view_incomplete() -> None:
    cache = EventCache()
    cache.on_commit(KEY, "run-1", 0, 1)

    cache.on_commit(KEY, "run-1", 2, 3)

    assert cache.get_view(KEY).complete_for == ("run-1", 1)


def test_our_commit_of_another_run_of_that_id_leaves_the_view_incomplete() -> None:
    cache = EventCache()
    cache.on_commit(KEY, "run-1", 0, 1)

    cache.on_commit(KEY, "run-2", 1, 2)

    assert cache.get_view(KEY).complete_for == ("run-1", 1)


def test_events_that_a_read_found_without_a_run_are_orphans() -> None:
    cache = cache_of(item("a", 10), item("b", 11))

    cache.note_orphans(KEY, ["uid-of-a"], NOON)

    assert cache.get_view(KEY).orphans == frozenset({"uid-of-a"})


def test_a_run_that_is_gone_is_forgotten() -> None:
    cache = EventCache()
    cache.on_commit(KEY, "run-1", 0, 1)

    cache.forget_inbox(KEY)

    assert cache.keys() == ()
    assert cache.get_view(KEY).complete_for is None


def test_a_run_that_is_gone_is_not_forgotten_while_events_wait_for_its_id() -> None:
    cache = cache_of(item("a", 10))

    cache.forget_inbox(KEY)

    assert names(cache) == ["a"]


def test_a_list_that_the_watch_has_not_passed_is_not_forgotten() -> None:
    cache = EventCache()
    cache.on_run_list(KEY, [], 20, RUN, NOON)

    cache.forget_inbox(KEY)
    cache.on_change("ADDED", item("a", 15))

    assert names(cache) == []


def test_a_change_that_is_not_news_leaves_no_trace_of_a_forgotten_run() -> None:
    cache = EventCache()

    cache.on_change("DELETED", settled("a", 10))

    assert cache.keys() == ()
