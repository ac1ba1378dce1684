"""A timeout step that no connected worker has is announced at once, not at the deadline."""

import pytest

from grctl_operator.engine import Announce, AwaitWorker, Decision, WorkerPresence, decide
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    event,
    every,
    execution,
    executions,
    runs,
    seconds,
    shown,
    status_of,
    view,
    waiting_run,
    worker,
)

RUN = waiting_run(deadline=at("23:00"), timeout_step="remind")
OTHER_VERSION = executions(workers=[worker(steps=["ship"])])


def told(decision: Decision) -> list[tuple[str, str]]:
    return [(each.reason, each.message) for each in every(Announce, decision.before)]


def test_a_timeout_step_that_no_connected_worker_has_is_announced_at_once() -> None:
    decision = decide(RUN, view(RUN), OTHER_VERSION, NOON)

    text = (
        'No connected worker of Order has the step "remind", which is due at 2026-11-23 23:00:00Z'
        " if no event comes before. Deploy the version that has it."
    )
    assert told(decision) == [("NoTimeoutStep", text)]
    assert AwaitWorker() in decision.before
    assert status_of(decision).message.endswith(
        "No connected worker of Order has that step: deploy the version that has it."
    )


def test_a_missing_timeout_step_is_found_again_as_the_same_state() -> None:
    first = decide(RUN, view(RUN), OTHER_VERSION, NOON)
    later = decide(RUN, view(RUN), OTHER_VERSION, at("13:00"))

    assert every(Announce, first.before) == every(Announce, later.before)


def test_a_version_that_has_the_timeout_step_ends_the_warning_in_the_background() -> None:
    seen = shown(RUN, view(RUN), OTHER_VERSION, NOON)

    decision = decide(seen, view(seen), executions(), NOON)

    assert told(decision) == []
    assert decision.urgency is Urgency.IN_BACKGROUND
    assert status_of(decision).message.endswith("it goes on with remind.")


@pytest.mark.parametrize("workers", [[], [worker(connected=False)], [worker()]])
def test_a_timeout_step_is_not_announced_if_a_worker_has_it_or_none_is_connected(
    workers: list[WorkerPresence],
) -> None:
    decision = decide(RUN, view(RUN), executions(workers=workers), NOON)

    assert told(decision) == []
    assert every(AwaitWorker, decision.before) == []


def test_a_worker_that_is_replaced_is_not_announced_as_a_missing_timeout_step() -> None:
    left = worker("w0", connected=False, seen=NOON - seconds(2))

    decision = decide(RUN, view(RUN), executions(workers=[left, worker(steps=["ship"])]), NOON)

    assert told(decision) == []
    assert decision.look_again_at == NOON + seconds(3)


def test_a_missing_timeout_step_is_not_announced_while_an_event_is_handled() -> None:
    approve = event("approve")
    running = executions(runs(execution(RUN, approve)), workers=[worker(steps=["ship"])])

    assert told(decide(RUN, view(RUN, approve), running, NOON)) == []
