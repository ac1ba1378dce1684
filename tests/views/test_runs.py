from typing import Any

import orjson
import pytest

from grctl.json.raw_json import RawJson, Uncarriable, dumps
from grctl_operator.engine.observation import Key
from grctl_operator.views import runs
from grctl_operator.views.reading import UnreadableError, read_run
from grctl_operator.views.runs import KnownRun, ListedRuns, RunCache, kept_run_of, key_of

Json = dict[str, Any]

KEY = Key("shop", "order-1")


def run(version: int, uid: str = "u1", name: str = "order-1", commits: int = 0) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
        },
        "spec": {"workflow": {"type": "Order"}},
        "status": {"commits": commits},
    }


def listed(*items: dict[str, Any]) -> ListedRuns:
    return {key_of(item): kept_run_of(item) for item in items}


def version(cache: RunCache) -> str | None:
    known = cache.get(KEY)
    return known.metadata.resource_version if known else None


def test_a_new_run_is_to_be_reconciled() -> None:
    cache = RunCache()
    assert cache.on_change("ADDED", run(5)) == KEY
    assert version(cache) == "5"


def test_the_echo_of_our_own_write_is_not_news() -> None:
    cache = RunCache()
    cache.on_answer(run(7, commits=1))
    assert cache.on_change("MODIFIED", run(7, commits=1)) is None


def test_an_older_change_does_not_undo_an_answer() -> None:
    cache = RunCache()
    cache.on_answer(run(7))
    assert cache.on_change("MODIFIED", run(6)) is None
    assert version(cache) == "7"


def test_a_deleted_run_is_gone() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5))
    assert cache.on_change("DELETED", run(6)) == KEY
    assert cache.get(KEY) is None


def test_a_late_answer_does_not_bring_a_deleted_run_back() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5))
    cache.on_change("DELETED", run(8))
    assert cache.on_answer(run(7)) is None
    assert cache.get(KEY) is None


def test_another_run_of_the_id_replaces_the_old_one_and_not_the_reverse() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5))
    assert cache.on_answer(run(9, uid="u2")) == KEY
    assert cache.on_change("MODIFIED", run(6)) is None
    assert cache.on_change("DELETED", run(7)) is None
    assert cache.get_uid(KEY) == "u2"


def test_the_revision_in_which_a_run_was_first_seen_is_kept_through_its_changes() -> None:
    cache = RunCache()
    assert cache.get_first_revision(KEY) is None
    cache.on_change("ADDED", run(5))
    cache.on_answer(run(7, commits=1))
    cache.on_change("MODIFIED", run(9, commits=2))
    assert cache.get_first_revision(KEY) == 5


def test_another_run_of_the_id_is_first_seen_in_a_revision_of_its_own() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5))
    cache.on_change("ADDED", run(12, uid="u2"))
    assert cache.get_first_revision(KEY) == 12


def test_a_list_removes_a_run_that_it_lacks_unless_the_run_is_newer() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5))
    cache.on_answer(run(30, uid="u9", name="order-9"))
    assert set(cache.on_list(listed(run(6, uid="u2", name="order-2")), 20)) == {
        KEY,
        Key("shop", "order-2"),
    }
    assert cache.keys() == (Key("shop", "order-9"), Key("shop", "order-2"))


def test_a_list_that_shows_known_versions_is_not_news() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5))
    assert cache.on_list(listed(run(5)), 20) == ()


def test_the_known_version_of_a_run_is_the_same_before_and_after_it_is_parsed() -> None:
    cache = RunCache()
    cache.on_change("ADDED", run(5, commits=3))
    unparsed = cache.get_versions()
    cache.get(KEY)
    assert unparsed == cache.get_versions() == {KEY: KnownRun("u1", "5", 3)}
    assert cache.get_version(Key("shop", "other")) is None


def elsewhere(version: int, uid: str) -> dict[str, Any]:
    item = run(version, uid)
    item["metadata"]["namespace"] = "bank"
    return item


def test_a_list_of_one_namespace_removes_no_run_of_another() -> None:
    cache = RunCache()
    cache.on_answer(run(5))
    cache.on_answer(elsewhere(6, "u2"))
    assert cache.on_list({}, 9, "bank") == (Key("bank", "order-1"),)
    assert cache.keys() == (KEY,)


def test_the_known_versions_are_of_all_runs_or_of_a_namespaces() -> None:
    cache = RunCache()
    cache.on_answer(run(5, commits=2))
    cache.on_answer(elsewhere(6, "u2"))
    assert cache.get_versions("shop") == {KEY: KnownRun("u1", "5", 2)}
    assert len(cache.get_versions()) == 2


@pytest.mark.parametrize(
    ("phase", "busy"),
    [(None, True), ("Running", True), ("WaitEvent", False), ("Completed", False)],
)
def test_a_run_is_busy_while_a_handler_is_due_or_under_way(phase: str | None, busy: bool) -> None:
    cache = RunCache()
    item = run(5)
    item["status"] |= {"phase": phase} if phase else {}
    cache.on_answer(item)
    assert cache.is_busy(KEY) is busy
    assert not cache.is_busy(Key("shop", "order-2"))


def test_only_the_runs_that_were_asked_for_last_are_kept_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "MAX_PARSED_RUNS", 2)
    cache = RunCache()
    for number in range(3):
        cache.on_answer(run(5 + number, f"u{number}", f"order-{number}", commits=number))
    first, second, third = (Key("shop", f"order-{number}") for number in range(3))
    known = [cache.get(key) for key in (first, second, first, third)]
    assert cache.get(first) is known[0]
    assert cache.get(second) is not known[1]
    assert cache.get(second) == known[1]


def test_a_run_that_came_parsed_is_the_same_when_it_was_idle_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "MAX_PARSED_RUNS", 1)
    cache = RunCache()
    item = run(5, commits=3)
    item["status"] |= {"store": {"none": None, "rate": 0.5}, "result": [1, None]}
    parsed = read_run(item)
    cache.on_answer(item, parsed)
    cache.on_answer(run(6, "u2", "order-2"))
    cache.get(Key("shop", "order-2"))
    again = cache.get(KEY)
    assert again == parsed
    assert again is not parsed


def test_a_newer_version_is_never_shown_as_the_one_that_was_parsed() -> None:
    cache = RunCache()
    cache.on_answer(run(5))
    assert version(cache) == "5"
    cache.on_change("MODIFIED", run(8))
    assert version(cache) == "8"
    cache.on_change("DELETED", run(9))
    assert version(cache) is None


def test_the_unfinished_runs_of_a_type_are_found() -> None:
    cache = RunCache()
    other, done = run(6, "u2", "refund-1"), run(7, "u3", "order-2")
    other["spec"]["workflow"]["type"] = "Refund"
    done["status"]["phase"] = "Completed"
    for item in (run(5), other, done):
        cache.on_answer(item)

    assert cache.find_unfinished("shop", "Order") == (KEY,)
    assert cache.find_unfinished("elsewhere", "Order") == ()


@pytest.mark.parametrize("levels", [101, 254, 255, 1000])
def test_an_input_that_is_too_deep_leaves_its_run_readable(levels: int) -> None:
    cache = RunCache()
    item = run(5)
    item["spec"]["workflow"]["input"] = nested(levels)
    assert cache.on_answer(item) == KEY
    found = cache.get(KEY)
    assert found is not None
    assert found.spec.workflow.input == Uncarriable("is nested deeper than 100 levels")


def test_values_of_users_are_kept_as_raw_json() -> None:
    cache = RunCache()
    item = run(5)
    item["spec"]["workflow"]["input"] = nested(100)
    item["status"] |= {"store": {"order": {"n": 1}, "none": None}, "result": [False]}
    cache.on_answer(item)
    found = cache.get(KEY)
    assert found is not None
    assert found.spec.workflow.input == RawJson(b"[" * 100 + b"]" * 100)
    assert found.status.store == {"order": RawJson(b'{"n":1}'), "none": RawJson(b"null")}
    assert found.status.result == RawJson(b"[false]")


FOR_PEOPLE: list[Json] = [
    {"history": [1]},
    {"store": {"a": [[]]}, "history": [[[]]]},
    {"inbox": {"a": 1}},
]
BROKEN = [
    ({"store": [1]}, "store"),
    ({"store": {"a": "deep"}}, "status.store['a'] is nested deeper than 100 levels"),
    ({"result": {"a": "deep"}}, "status.result is nested deeper than 100 levels"),
    ({"wait": 7}, "status.wait"),
    ({"phase": "Dreaming"}, "status.phase"),
    ({"phase": ["Running"]}, "status.phase"),
    ({"commits": 1e300}, "status.commits"),
]


@pytest.mark.parametrize("status", FOR_PEOPLE)
def test_a_run_is_read_without_odd_fields_that_are_only_for_people(status: Json) -> None:
    cache = RunCache()
    item = run(5)
    item["status"] |= status
    cache.on_answer(item)

    found = cache.get(KEY)

    assert found is not None
    assert (found.unreadable, found.status.history, found.status.inbox) == (None, (), ())


@pytest.mark.parametrize(("status", "why"), BROKEN)
def test_a_run_with_a_broken_status_is_read_without_it_and_says_why(status: Json, why: str) -> None:
    cache = RunCache()
    item = run(5)
    item["status"] |= deepened(status)
    cache.on_answer(item)

    found = cache.get(KEY)

    assert found is not None
    assert why in (found.unreadable or "")
    assert next(iter(status)) in (found.unreadable or "")


def unreadable(version: int = 5) -> Json:
    item = run(version)
    item["status"] |= deepened({"conditions": "deep"})
    return item


def test_a_run_that_cannot_be_read_is_known_by_uid_and_version() -> None:
    cache = RunCache()
    item = unreadable()
    item["metadata"]["finalizers"] = ["grctl.dev/settle"]
    assert cache.on_answer(item) == KEY
    for _ in range(2):
        with pytest.raises(UnreadableError, match="cannot be written as JSON"):
            cache.get(KEY)
    assert cache.get_version(KEY) == KnownRun("u1", "5", 0)
    assert cache.get_metadata(KEY)["finalizers"] == ["grctl.dev/settle"]


def test_a_run_that_was_unreadable_is_read_once_it_is_changed() -> None:
    cache = RunCache()
    cache.on_answer(unreadable())
    with pytest.raises(UnreadableError):
        cache.get(KEY)
    cache.on_change("MODIFIED", run(6))
    assert cache.get(KEY) is not None


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"name": 1}, {"name": "order", "uid": None}, {"name": "order", "uid": "u1"}],
)
def test_an_object_without_uid_or_version_raises_one_kind_of_error(metadata: Any) -> None:
    with pytest.raises(UnreadableError):
        RunCache().on_answer({"metadata": metadata})


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def deepened(status: Json) -> Json:
    """Return a status with a value too deep to be written where it has "deep"."""
    return {
        name: nested(300)
        if value == "deep"
        else {"a": nested(150)}
        if value == {"a": "deep"}
        else value
        for name, value in status.items()
    }


def test_the_results_in_a_journal_and_the_answers_are_kept_as_raw_json() -> None:
    cache = RunCache()
    item = run(5)
    entries = {"charge/1": {"ok": {"n": False}, "n": 1}, "mail/1": {"failed": 1, "of": 2}}
    item["status"] |= {
        "journal": {"eventUid": "e1", "entries": entries},
        "answers": {"summary": [0]},
    }
    cache.on_answer(item)
    found = cache.get(KEY)
    assert found is not None
    assert found.status.answers == {"summary": RawJson(b"[0]")}
    assert found.status.journal == {
        "eventUid": "e1",
        "entries": {
            "charge/1": {"ok": RawJson(b'{"n":false}'), "n": 1},
            "mail/1": entries["mail/1"],
        },
    }
    written = orjson.loads(dumps(found.status.to_json()))
    assert (written["journal"], written["answers"]) == (
        item["status"]["journal"],
        item["status"]["answers"],
    )


@pytest.mark.parametrize(
    ("journal", "why"),
    [
        ({"entries": [1]}, "status.journal.entries is of type list"),
        ({"entries": {"charge": 1}}, "status.journal: entry 'charge' is not an object"),
        (
            {"entries": {"charge": {"ok": nested(101)}}},
            "status.journal: the result of entry 'charge' is nested deeper than 100 levels",
        ),
        ([1], "status.journal"),
    ],
)
def test_a_run_whose_journal_cannot_be_kept_is_marked(journal: Any, why: str) -> None:
    cache = RunCache()
    item = run(5)
    item["status"]["journal"] = journal
    cache.on_answer(item)
    found = cache.get(KEY)
    assert found is not None
    assert why in (found.unreadable or "")


def test_runs_that_are_held_are_counted_until_they_go_on_or_are_gone() -> None:
    cache, counts = RunCache(), []
    held = run(6)
    held["status"]["step"] = {"stall": {"reason": "HandlerFailed"}}
    for item in (run(5), held, run(7)):
        cache.on_answer(item)
        counts.append(cache.count_stalled())
    held["metadata"]["resourceVersion"] = "8"
    cache.on_answer(held)
    counts.append(cache.count_stalled())
    cache.on_change("DELETED", run(9))
    assert [*counts, cache.count_stalled()] == [0, 1, 0, 1, 0]
