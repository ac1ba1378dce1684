"""Events that a commit consumed stay in the outbox until they are known to be settled."""

import pytest

from grctl_operator.engine import Dispatch, Event, ListEvents, Settle, decide
from grctl_operator.engine.situation import OUTBOX_LIMIT
from tests.engine.builders import (
    NOON,
    event,
    every,
    executions,
    finished_run,
    many,
    settlement,
    status_of,
    stepping_run,
    view,
    waiting_run,
    written,
)


def full_outbox() -> list[Event]:
    return many("reject", OUTBOX_LIMIT)


def test_a_consumed_event_is_settled_again_until_the_cache_knows() -> None:
    approve = event("approve")
    entry = settlement(approve)
    run = waiting_run(settled=[entry])

    unknown = decide(run, view(run, approve), executions(), NOON)
    known = decide(run, view(run), executions(), NOON)

    assert every(Settle, unknown.before) == [Settle(entry, run.metadata.uid)]
    assert every(Settle, known.before) == []


def test_settling_again_needs_no_write_of_the_run() -> None:
    approve = event("approve")
    run = waiting_run(settled=[settlement(approve)])

    decision = decide(run, view(run, approve), executions(), NOON)

    assert status_of(decision).settled == run.status.settled
    assert status_of(decision).commits == run.status.commits


def test_a_finished_run_goes_on_settling() -> None:
    approve = event("approve")
    run = finished_run(settled=(settlement(approve),))

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [each.settlement.name for each in every(Settle, decision.before)] == ["approve"]


def test_a_consumed_event_is_not_shown_in_the_inbox() -> None:
    approve = event("approve")
    run = waiting_run(settled=[settlement(approve)])

    status = status_of(decide(run, view(run, approve), executions(), NOON))

    assert (status.inbox, status.inbox_length) == ((), 0)


@pytest.mark.parametrize("open_entries", [OUTBOX_LIMIT - 1, OUTBOX_LIMIT])
def test_no_event_is_dispatched_while_the_outbox_is_full(open_entries: int) -> None:
    consumed, approve = many("reject", open_entries), event("approve")
    run = waiting_run(settled=[settlement(each) for each in consumed])

    decision = decide(run, view(run, *consumed, approve), executions(), NOON)

    dispatched = [each.event for each in every(Dispatch, decision.before)]
    assert dispatched == ([] if open_entries == OUTBOX_LIMIT else [approve])


def test_entries_whose_settling_is_known_do_not_fill_the_outbox() -> None:
    consumed, approve = full_outbox(), event("approve")
    run = waiting_run(settled=[settlement(each) for each in consumed])

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_rejections_stop_when_the_outbox_is_full() -> None:
    run = waiting_run()
    typos = many("aprove", OUTBOX_LIMIT + 10)

    first = written(run, decide(run, view(run, *typos), executions(), NOON))
    rest = typos[OUTBOX_LIMIT:]
    waiting = decide(first, view(first, *typos), executions(), NOON)
    second = written(first, decide(first, view(first, *rest), executions(), NOON))

    assert len(first.status.settled) == OUTBOX_LIMIT
    assert waiting.status is None or waiting.status.commits == first.status.commits
    assert [each.name for each in second.status.settled] == [each.name for each in rest]


def test_a_full_outbox_in_a_view_that_may_hide_a_commit_asks_for_a_list() -> None:
    consumed, approve = full_outbox(), event("approve")
    run = waiting_run(settled=[settlement(each) for each in consumed])

    decision = decide(run, view(run, approve, complete=False), executions(), NOON)

    assert every(ListEvents, decision.before) == [ListEvents()]


def test_a_full_outbox_does_not_keep_a_step_waiting_for_ever() -> None:
    consumed = full_outbox()
    run = stepping_run("ship", status={"settled": tuple(settlement(each) for each in consumed)})

    decision = decide(run, view(run, complete=False), executions(), NOON)

    assert {type(effect) for effect in decision.before} & {ListEvents, Dispatch}
