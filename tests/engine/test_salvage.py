"""A run whose status a person wrote: the parts that fit are kept, and the others are named."""

from itertools import product
from typing import Any

import pytest

from grctl.models import RunPhase
from grctl.models.salvage import salvage, what_is_broken
from grctl_operator.engine import Announce, Decision, decide
from grctl_operator.views.reading import read_run
from tests.engine.builders import NOON, event, every, executions, status_of, view

SINCE = "2026-11-28T12:00:00Z"
ENTRY = {"commit": 1, "at": SINCE, "handler": "start", "kind": "start", "outcome": "waits"}

SETTLED = {"uid": "e1", "name": "e", "phase": "Processed", "reason": "Handled", "at": SINCE}


def run(**status: Any) -> dict[str, Any]:
    metadata = {
        "name": "order-1",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "7",
        "finalizers": ["grctl.dev/settle"],
        "creationTimestamp": "2026-11-23T09:00:00Z",
    }
    return {"metadata": metadata, "spec": {"workflow": {"type": "Order"}}, "status": status}


@pytest.mark.parametrize(
    "status",
    [
        {"history": [1]},
        {"history": "yesterday"},
        {"history": [{"commit": 1}]},
        {"conditions": [1, None]},
        {"conditions": {"type": "Succeeded"}},
        {"inbox": [["approve"]]},
        {"startedAt": "0000-01-01T00:00:00Z"},
        {"eventNames": [1]},
    ],
    ids=str,
)
def test_what_is_only_for_people_is_left_out_without_a_word(status: dict[str, Any]) -> None:
    read = read_run(run(phase="WaitEvent", message="Waits.", **status))

    assert (read.status.phase, read.status.message) == ("WaitEvent", "Waits.")
    assert read.unreadable is None


@pytest.mark.parametrize(
    "status",
    [
        {"settled": [1]},
        {"settled": {"uid": "e1"}},
        {"settled": [{"uid": "e1"}]},
        {"settled": [{**SETTLED, "phase": "Pending"}]},
        {"settled": [{**SETTLED, "sequence": 2**53}]},
        {"phase": "Happy"},
        {"wait": {"since": "0000-01-01T00:00:00Z"}},
        {"wait": {}},
        {"step": {"name": "pay"}},
        {"error": {"type": "E"}},
        {"finishedAt": "9999-12-31T23:59:59-14:00"},
        {"store": [1]},
        {"journal": [1]},
    ],
    ids=str,
)
def test_what_a_handler_depends_on_is_named_as_missing(status: dict[str, Any]) -> None:
    read = read_run(run(commits=3, **status))

    (name,) = status
    assert (read.unreadable or "").startswith(f"status.{name} cannot be read (")
    assert read.status.commits == 3
    assert "unreadable" not in read.to_json()


def test_of_a_list_the_entries_that_fit_are_kept() -> None:
    made, lost = salvage(run(history=[1, ENTRY, "x"], commits=2), lambda status: status)

    assert made["status"] == {"history": [ENTRY], "commits": 2}
    assert (lost, what_is_broken(lost)) == (("history",), None)


MANY = 2**53 - 1
WAIT = {"since": SINCE}
STARTING = {"name": "start", "kind": "start", "attempt": 1, "since": SINCE}
STEPPING = {**STARTING, "name": "ship", "kind": "step"}
HANDLING = {**STARTING, "name": "approve", "kind": "event", "eventUid": "uid-of-approve"}


@pytest.mark.parametrize(
    "journal",
    [{"entries": [1]}, {"entries": {"charge/5f/1": 1}}, {"eventUid": 7, "entries": {}}],
    ids=str,
)
def test_a_journal_of_another_shape_stops_the_run(journal: dict[str, Any]) -> None:
    """If it were dropped, side effects would happen again."""
    item = run(phase="Running", commits=1, step=STEPPING, journal=journal)

    decision = decided(item)

    (told,) = decision.before
    assert isinstance(told, Announce)
    assert told.message.startswith("status.journal ")
    assert decision.status is None


def test_entries_of_an_unknown_shape_are_kept() -> None:
    entries = {"later/5f/1": {"new": [1]}, "charge/5f/1": {}}

    read = read_run(run(phase="Running", commits=1, step=STEPPING, journal={"entries": entries}))

    assert read.unreadable is None
    assert read.status.journal == {"entries": entries}


def decided(item: dict[str, Any], **spec: Any) -> Decision:
    """What the operator does about a run as it came, with an event that waits."""
    made = read_run({**item, "spec": {**item["spec"], **spec}})
    return decide(made, view(made, event("approve")), executions(), NOON)


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "WaitEvent", "commits": 3},
        {"phase": "WaitEvent", "commits": 3, "step": STEPPING},
        {"phase": "WaitEvent"},
        {"phase": "Running", "commits": 1},
        {"phase": "Running", "commits": 1, "step": STARTING},
        {"phase": "Running", "commits": 1, "step": HANDLING},
        {"phase": "Running", "commits": 1, "step": STEPPING, "wait": WAIT},
        {"phase": "Running", "step": STEPPING},
        {"phase": "Pending", "commits": 1},
    ],
    ids=str,
)
def test_a_status_that_contradicts_itself_is_told_and_nothing_is_run(
    status: dict[str, Any],
) -> None:
    decision = decided(run(**status))

    (told,) = decision.before
    assert isinstance(told, Announce)
    assert told.reason == "Unreadable"
    assert "status.wait" in told.message
    assert decision.status is None


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"phase": "Running", "step": STARTING},
        {"phase": "Pending", "step": {**STARTING, "attempt": 2}},
        {"phase": "WaitEvent", "commits": 1, "wait": WAIT},
        {"phase": "WaitEvent", "commits": 1, "wait": WAIT, "step": {**HANDLING, "attempt": 2}},
        {"phase": "Running", "commits": 1, "wait": WAIT, "step": HANDLING},
        {"phase": "Running", "commits": 1, "step": STEPPING},
        {"phase": "Failed", "commits": 1},
    ],
    ids=str,
)
def test_what_the_operator_writes_does_not_contradict_itself(status: dict[str, Any]) -> None:
    assert read_run(run(**status)).unreadable is None


def test_a_run_that_is_deleted_before_it_started_needs_nothing_next() -> None:
    item = run(phase="Pending", commits=1)
    item["metadata"]["deletionTimestamp"] = SINCE

    assert read_run(item).unreadable is None


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "WaitEvent", "commits": 3},
        {"phase": "WaitEvent", "commits": MANY, "wait": WAIT},
        {"phase": "WaitEvent", "commits": 3, "wait": WAIT, "events": {"processed": MANY}},
        {"phase": "Running", "commits": 3, "step": {**STEPPING, "chain": MANY}},
        {"phase": "Running", "commits": 3, "step": {**STEPPING, "attempt": MANY}},
        {"phase": "WaitEvent", "commits": 3, "wait": {**WAIT, "deadline": "9999-12-31T23:59:59Z"}},
    ],
    ids=str,
)
def test_a_run_with_any_such_status_is_told_of_and_can_be_terminated(
    status: dict[str, Any],
) -> None:
    assert [told.reason for told in every(Announce, decided(run(**status)).before)] == [
        "Unreadable"
    ]

    ended = status_of(decided(run(**status), terminate=True))

    assert ended.phase is RunPhase.TERMINATED
    assert ended.commits <= 4


EXTREME = ("0001-01-01T00:00:00Z", SINCE, "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z")
PHASES = ("Pending", "Running", "WaitEvent", "Completed")


@pytest.mark.parametrize(("phase", "since"), list(product(PHASES, EXTREME)))
def test_no_status_that_an_api_server_takes_makes_a_decision_raise(phase: str, since: str) -> None:
    steps = [
        {**step, "attempt": attempt, "chain": chain, "crashes": attempt, "since": since}
        for step in (STARTING, STEPPING, HANDLING)
        for attempt, chain in product((1, 2, MANY), (0, 2**52, MANY))
    ]
    waits = [
        {"since": since, "deadline": deadline, "timeoutStep": "ship"}
        for deadline in (None, *EXTREME)
    ]
    for wait, step, commits in product((None, *waits), (None, *steps), (0, 3, MANY)):
        status = {"phase": phase, "wait": wait, "step": step, "commits": commits}
        kept = {name: value for name, value in status.items() if value is not None}

        decided(run(**kept))
        decided(run(**kept, startedAt=since, finishedAt=since), terminate=True)
