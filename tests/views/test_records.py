"""What is kept of the records of executions, and how long."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.json.raw_json import RawJson
from grctl.models.limits import MAX_JOURNAL_BYTES, MAX_JOURNAL_ENTRIES
from grctl.models.wire import RecordOperations
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.records import TooMuchRecordedError, count_failures, find_durable
from tests.runtime.played_worker import hello
from tests.views.registries import (
    APPROVE,
    GROUP,
    KEY,
    ORDER,
    OTHER,
    Clock,
    dispatch,
    execution,
    held,
    ignore,
    outcome,
    registry,
)

Json = dict[str, Any]

OK: Json = {"ok": RawJson(b"1"), "n": 1}
FAILED_ONCE: Json = {"failed": 1, "of": 3}
FAILED_TWICE: Json = {"failed": 2, "of": 3}


def record(name: str = "x", *, awaited: bool = False, **entries: Json) -> RecordOperations:
    return RecordOperations(execution=execution(name), entries=entries, awaited=awaited)


def with_execution(clock: Clock | None = None) -> ExecutionRegistry:
    """Return a registry in which the worker "a" has the execution "x"."""
    made = ExecutionRegistry(clock or Clock(), lambda: 0.0, ignore)
    made.on_hello(hello(ORDER, instance="a"), "orders")
    dispatch(made, "x")
    return made


def test_records_are_kept_with_their_execution_since_the_first() -> None:
    clock = Clock()
    made = with_execution(clock)
    first = clock.time
    assert made.on_records("a", record(charge=OK)) == KEY
    clock.time += timedelta(seconds=3)
    made.on_records("a", record(mail=OK))

    assert held(made)["x"].records == {"charge": OK, "mail": OK}
    assert held(made)["x"].recorded_at == first
    assert not held(made)["x"].awaits_records


def test_the_first_result_of_a_task_stays_if_another_is_sent() -> None:
    made = with_execution()
    made.on_records("a", record(charge=OK))
    made.on_records("a", record(charge={"ok": RawJson(b"2")}))
    assert held(made)["x"].records == {"charge": OK}


def test_records_of_an_unknown_execution_are_taken_over() -> None:
    made = registry(hello(ORDER, instance="a"))
    made.on_records("a", record(charge=OK))
    assert held(made)["x"].records == {"charge": OK}


def test_records_are_kept_when_their_execution_is_lost_and_nobody_waits_any_more() -> None:
    made = with_execution()
    made.on_records("a", record(charge=OK, awaited=True))
    made.on_disconnect("a")
    made.give_up("a")

    found = held(made)["x"]
    assert (found.lost, found.records, found.awaits_records) == (True, {"charge": OK}, False)


def test_records_are_dropped_with_their_execution() -> None:
    made = with_execution()
    made.on_records("a", record(charge=OK))
    made.forget_execution("x")
    assert made.find_entry("x") is None


def test_a_handler_waits_until_each_record_is_durable_that_was_there_when_it_began_to() -> None:
    made = with_execution()
    made.on_records("a", record(charge=OK))
    made.on_records("a", record(mail=OK, awaited=True))
    waits = [held(made)["x"].awaits_records]
    made.on_records("a", record(later=OK))
    for key in ("charge", "mail"):
        made.on_durable("x", [key])
        waits.append(held(made)["x"].awaits_records)

    assert waits == [True, True, False]
    assert held(made)["x"].records == {"later": OK}


def test_a_handler_may_wait_without_a_record_until_it_is_confirmed() -> None:
    made = with_execution()
    made.on_records("a", record(awaited=True))
    waited = held(made)["x"]
    made.on_durable("x", [])

    assert (waited.awaits_records, waited.records, waited.recorded_at) == (True, {}, None)
    assert not held(made)["x"].awaits_records


def test_a_handler_that_records_does_not_wait_for_its_base_any_more() -> None:
    made = with_execution()
    made.on_records("a", record(awaited=True))
    made.on_records("a", record(charge=OK))
    assert not held(made)["x"].awaits_records


def test_a_record_beside_those_that_a_handler_waits_for_does_not_end_the_wait() -> None:
    made = with_execution()
    made.on_records("a", record(charge=OK, awaited=True))
    made.on_records("a", record(mail=OK))
    assert held(made)["x"].awaits_records


def test_a_handler_that_ended_waits_for_nothing_and_its_records_stay() -> None:
    made = with_execution()
    made.on_records("a", record(charge=OK, awaited=True))
    made.on_outcome("a", outcome("x"))
    assert (held(made)["x"].awaits_records, held(made)["x"].records) == (False, {"charge": OK})


def test_the_age_of_records_is_forgotten_with_the_last_of_them() -> None:
    clock = Clock()
    made = with_execution(clock)
    made.on_records("a", record(charge=OK, mail=OK))
    first = clock.time
    made.on_durable("x", ["mail"])
    clock.time += timedelta(seconds=3)
    ages = [held(made)["x"].recorded_at]
    made.on_durable("x", ["charge"])
    ages.append(held(made)["x"].recorded_at)
    made.on_records("a", record(later=OK))

    assert [*ages, held(made)["x"].recorded_at] == [first, None, clock.time]


def test_a_clock_that_jumps_moves_the_age_of_records() -> None:
    clock, hour = Clock(), timedelta(hours=1)
    made = with_execution(clock)
    made.on_records("a", record(charge=OK))
    before = held(made)["x"].recorded_at
    made.on_jump(-hour)
    assert before is not None
    assert held(made)["x"].recorded_at == before - hour


def test_an_execution_knows_whether_the_next_one_waits_for_its_commit() -> None:
    made = with_execution()
    behind = execution("y").model_copy(update={"base": "x"})
    made.on_records("a", RecordOperations(execution=behind, entries={}))
    first = made.find_entry("x")
    assert first is not None
    waits = [made.on_commit(first)]
    made.on_records("a", RecordOperations(execution=behind, entries={}, awaited=True))
    waits.append(held(made)["y"].awaits_records)

    assert [*waits, made.on_commit(first)] == [False, True, True]
    assert not held(made)["y"].awaits_records


@pytest.mark.parametrize(
    ("journal", "durable"),
    [
        ({}, ()),
        ({"other": OK}, ()),
        ({"charge": FAILED_ONCE}, ("charge",)),
        ({"charge": {"ok": 1}}, ("charge",)),
    ],
)
def test_a_record_is_durable_if_what_counts_is_in_the_journal(
    journal: dict[str, Json], durable: tuple[str, ...]
) -> None:
    made = with_execution()
    made.on_records("a", record(charge=FAILED_ONCE))
    assert find_durable(held(made)["x"], journal, ["charge"]) == durable


@pytest.mark.parametrize("newer", [OK, FAILED_TWICE])
def test_a_record_that_came_while_an_older_one_was_written_is_not_durable(newer: Json) -> None:
    made = with_execution()
    made.on_records("a", record(charge=newer))
    assert find_durable(held(made)["x"], {"charge": FAILED_ONCE}, ["charge"]) == ()


def test_an_entry_that_another_attempt_recorded_is_durable() -> None:
    assert find_durable(held(with_execution())["x"], {"charge": OK}, ["charge"]) == ("charge",)


@pytest.mark.parametrize(
    "entries",
    [
        {f"task-{number}": OK for number in range(2 * MAX_JOURNAL_ENTRIES + 1)},
        {"charge": {"ok": RawJson(b'"' + b"x" * 2 * MAX_JOURNAL_BYTES + b'"')}},
        {"x" * 2 * MAX_JOURNAL_BYTES: OK},
    ],
    ids=["entries", "bytes", "key"],
)
def test_an_execution_that_records_more_than_is_kept_is_refused(entries: dict[str, Json]) -> None:
    made = with_execution()
    made.on_records("a", record(kept=OK))
    with pytest.raises(TooMuchRecordedError, match="approve recorded"):
        made.on_records("a", RecordOperations(execution=execution("x"), entries=entries))
    assert held(made)["x"].records == {"kept": OK}


def test_a_record_that_is_sent_again_takes_no_more_room() -> None:
    made = with_execution()
    large = {"ok": RawJson(b'"' + b"x" * MAX_JOURNAL_BYTES + b'"')}
    for _ in range(3):
        made.on_records("a", record(charge=large))
    assert len(held(made)["x"].records) == 1


def test_each_failed_attempt_at_a_task_is_counted_once() -> None:
    failed = {"error": {"type": "E", "message": "m"}, "n": 3}
    sent = {"a": FAILED_TWICE, "b": failed, "c": OK}
    assert count_failures({"a": FAILED_ONCE}, sent) == 2
    assert count_failures(sent, sent) == 0


OLDER = hello(ORDER, worker="older", instance="older", protocol_highest=3)


def busy_recorder() -> ExecutionRegistry:
    """Return a registry with an idle worker that does not record, and a busy one that does."""
    made = registry(hello(ORDER, worker="new", instance="new"))
    dispatch(made, "x")
    made.on_hello(OLDER, "orders")
    return made


@pytest.mark.parametrize(("has_journal", "chosen"), [(False, "older"), (True, "new")])
def test_a_handler_with_a_journal_goes_to_a_worker_that_records(
    has_journal: bool, chosen: str
) -> None:
    roster = busy_recorder().roster
    worker = roster.choose(GROUP, *APPROVE, has_journal=has_journal)
    kept = roster.reserve(OTHER, GROUP, *APPROVE, has_journal=has_journal)
    assert worker is not None
    assert kept is not None
    assert (worker.name, kept.name) == (chosen, chosen)


def test_a_handler_with_a_journal_waits_for_no_worker_that_records_if_none_is_there() -> None:
    roster = registry(OLDER).roster
    worker = roster.choose(GROUP, *APPROVE, has_journal=True)
    alone = roster.reserve_clear(OTHER, GROUP, *APPROVE, has_journal=True)
    assert worker is not None
    assert worker is alone


def test_a_worker_that_was_upgraded_in_place_records() -> None:
    made = busy_recorder()
    made.on_disconnect("older")
    made.on_hello(hello(ORDER, worker="older", instance="older"), "orders")
    worker = made.roster.choose(GROUP, *APPROVE, has_journal=True)
    assert worker is not None
    assert worker.name == "older"
