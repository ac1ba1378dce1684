"""The inbox of each run after lists, beside the watch: notes 4 and 5 of the cache."""

from grctl_operator.engine import Key
from grctl_operator.engine.observation import LONG_AGO
from grctl_operator.views.events import EventCache
from grctl_operator.views.runs import KnownRun
from tests.engine.builders import NOON
from tests.engine.items import KEY, OTHER, RUN, cache_of, item, names, settled

# Note 4: a list is compared with what was known


def test_a_list_is_sorted() -> None:
    cache = EventCache()

    cache.on_list([item("c", 100), item("a", 9), item("b", 10)], 200, {}, NOON)

    assert names(cache) == ["a", "b", "c"]
    assert cache.inversions == 0


def test_an_event_that_a_list_lacks_is_gone() -> None:
    cache = cache_of(item("a", 10), item("b", 11))

    cache.on_list([item("b", 11)], 20, {}, NOON)

    assert names(cache) == ["b"]


def test_an_event_that_is_newer_than_a_list_stays_although_the_list_lacks_it() -> None:
    cache = cache_of(item("a", 10), item("b", 21))

    cache.on_run_list(KEY, [item("a", 10)], 20, RUN, NOON)

    assert names(cache) == ["a", "b"]


def test_a_list_keeps_places_first_seen_by_the_watch() -> None:
    cache = cache_of(item("a", 10), item("b", 11))

    cache.on_list([item("b", 11), item("a", 15)], 20, {}, NOON)

    assert [(each.name, each.place) for each in cache.get_view(KEY)] == [("a", 10), ("b", 11)]


def test_a_list_may_hold_settled_events() -> None:
    cache = EventCache()

    cache.on_list([settled("a", 10), item("b", 11, deleting=True)], 20, {}, NOON)

    assert names(cache) == []


def test_a_full_list_names_every_run_to_reconcile() -> None:
    cache = cache_of(item("a", 10))
    lonely = Key("shop", "lonely")

    keys = cache.on_list([item("b", 11, key=OTHER)], 20, {lonely: RUN}, NOON)

    assert set(keys) == {KEY, OTHER, lonely}
    assert cache.revision == 20


def test_a_full_list_is_complete_for_the_runs_that_were_known() -> None:
    cache = EventCache()

    cache.on_list([item("a", 10), item("b", 11, key=OTHER)], 20, {KEY: RUN}, NOON)

    known, unknown = cache.get_view(KEY), cache.get_view(OTHER)
    assert known.complete_for == ("run-1", 3)
    assert known.listing is not None
    assert (known.listing.run_uid, known.listing.run_version, known.listing.at) == (
        "run-1",
        "100",
        NOON,
    )
    assert (unknown.complete_for, unknown.listing) == (None, None)


# Note 5: a run's own list


def test_a_runs_own_list_ends_what_the_watch_still_shows_waiting() -> None:
    cache = cache_of(item("a", 10))

    cache.on_run_list(KEY, [], 20, RUN, NOON)
    cache.on_change("MODIFIED", item("a", 15))

    assert names(cache) == []


def test_the_watch_brings_nothing_back_from_before_a_runs_own_list() -> None:
    cache = EventCache()
    cache.on_run_list(KEY, [], 20, RUN, NOON)

    assert cache.on_change("ADDED", item("a", 15)) is None
    assert names(cache) == []


def test_the_watch_ends_nothing_from_before_a_runs_own_list() -> None:
    cache = cache_of(item("a", 10))
    cache.on_run_list(KEY, [item("a", 18)], 20, RUN, NOON)

    cache.on_change("DELETED", item("a", 15))

    assert names(cache) == ["a"]


def test_a_change_from_after_the_list_counts() -> None:
    cache = EventCache()
    cache.on_run_list(KEY, [item("a", 10)], 20, RUN, NOON)

    cache.on_change("ADDED", item("b", 21))
    cache.on_change("DELETED", item("a", 22))

    assert names(cache) == ["b"]


def test_a_runs_own_list_does_not_hide_changes_of_other_runs() -> None:
    cache = EventCache()
    cache.on_run_list(KEY, [], 20, RUN, NOON)

    cache.on_change("ADDED", item("b", 15, key=OTHER))

    assert names(cache, OTHER) == ["b"]


def test_a_full_list_from_before_a_runs_own_list_brings_nothing_back() -> None:
    cache = EventCache()
    cache.on_run_list(KEY, [], 20, RUN, NOON)

    cache.on_list([item("a", 10)], 15, {KEY: RUN}, NOON)

    assert names(cache) == []


def test_a_list_makes_the_view_complete_for_the_run_that_was_known() -> None:
    cache = EventCache()

    cache.on_run_list(KEY, [], 20, RUN, NOON)

    view = cache.get_view(KEY)
    assert view.complete_for == ("run-1", 3)
    assert view.listing is not None
    assert view.listing.at == NOON


def test_a_list_made_without_a_known_run_proves_nothing() -> None:
    cache = EventCache()

    cache.on_run_list(KEY, [item("a", 10)], 20, None, NOON)

    assert names(cache) == ["a"]
    assert (cache.get_view(KEY).complete_for, cache.get_view(KEY).listing) == (None, None)


def test_after_a_jump_of_the_clock_no_list_proves_a_deadline() -> None:
    cache = cache_of(item("a", 10))
    cache.on_run_list(KEY, [item("a", 10)], 20, RUN, NOON)

    cache.on_jump()

    listing = cache.get_view(KEY).listing
    assert listing is not None
    assert (listing.at, listing.run_uid) == (LONG_AGO, RUN.uid)
    assert names(cache) == ["a"]


# Runs that are gone


def test_a_run_that_is_gone_is_forgotten_once_the_watch_has_passed_its_list() -> None:
    cache = cache_of(item("a", 10))
    cache.on_run_list(KEY, [], 20, RUN, NOON)
    cache.forget_inbox(KEY)
    assert cache.keys() == (KEY,)  # a late change of the event may still come
    assert cache.on_change("ADDED", item("a", 11)) is None
    cache.on_bookmark(20)
    assert cache.keys() == ()


def test_a_run_that_was_started_anew_meanwhile_is_not_forgotten() -> None:
    cache = EventCache()
    cache.on_run_list(KEY, [], 20, RUN, NOON)
    cache.forget_inbox(KEY)
    cache.on_commit(KEY, "run-2", 0, 1)
    cache.on_bookmark(20)
    assert cache.get_view(KEY).is_complete("run-2", 1)
    cache.forget_inbox(KEY)
    assert cache.keys() == ()


def test_ten_thousand_deleted_runs_leave_nothing() -> None:
    cache = EventCache()
    for number in range(10_000):
        key, revision = Key("shop", f"run-{number}"), 2 * number + 2
        cache.on_run_list(key, [], revision, KnownRun(f"uid-{number}", "1", 1), NOON)
        cache.on_commit(key, f"uid-{number}", 1, 2)
        cache.forget_inbox(key)
        cache.on_answer(settled(f"event-{number}", revision))
        cache.on_missing(key, f"uid-of-event-{number}")
        cache.note_orphans(key, (), NOON)
    cache.on_bookmark(20_001)
    assert cache.keys() == ()
    assert not cache._gone
    assert not cache._leaving


def test_a_list_that_changes_nothing_wakes_no_run() -> None:
    cache = cache_of(item("a", 10))
    listed = [item("a", 10)]
    assert cache.on_list(listed, 20, {KEY: RUN, OTHER: RUN}, NOON) == (KEY, OTHER)
    assert cache.on_list(listed, 30, {KEY: RUN, OTHER: RUN}, NOON) == ()
    assert cache.on_list([], 40, {KEY: RUN, OTHER: RUN}, NOON) == (KEY,)


def test_a_list_wakes_a_run_that_may_be_gone() -> None:
    cache = EventCache()
    cache.on_list([], 20, {KEY: RUN}, NOON)
    assert cache.on_list([], 30, {}, NOON) == (KEY,)
