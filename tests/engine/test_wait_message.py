"""What people read of a wait: its prompt, what it takes, and what waits for a later one."""

from collections.abc import Sequence
from typing import Any

import pytest

from grctl.models import WaitForEvent
from grctl.models.limits import MAX_PROMPT_BYTES
from grctl.models.run import RunStatus, WorkflowRun
from grctl_operator.engine import Decision, Event, Urgency, decide
from grctl_operator.engine.display import MAX_SHOWN_INBOX_ENTRIES
from grctl_operator.engine.wait_message import MAX_PROMPT_CHARS_IN_MESSAGE
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    execution,
    executions,
    many,
    shown,
    status_of,
    view,
    waiting_run,
    with_status,
    worker,
)

HANDLED = ("approve", "reject", "comment")
WORKERS = [worker(events=HANDLED)]
QUESTION = "Release 1.4 to production?"
REMIND = "At 2026-11-23 13:00:00Z it goes on with remind."
NO_HANDLER = "No connected worker of Order handles escalate: deploy the version that does."
AWAITED = "Waits for an event: approve, reject."
COMMENTS = many("comment", 2)


def choosing_run(takes: Sequence[str] | None = ("approve", "reject"), **wait: Any) -> WorkflowRun:
    run = waiting_run(takes=takes, status={"event_names": HANDLED})
    assert run.status.wait is not None
    return with_status(run, wait=run.status.wait.model_copy(update=wait))


def displayed(run: WorkflowRun, *waiting: Event) -> RunStatus:
    return status_of(decide(run, view(run, *waiting), executions(workers=WORKERS), NOON))


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (choosing_run(), "Waits for an event: approve, reject."),
        (choosing_run(None), "Waits for an event: approve, reject, comment."),
        (choosing_run(prompt=QUESTION), f"{QUESTION} Waits for: approve, reject."),
        (choosing_run(None, prompt=QUESTION), f"{QUESTION} Waits for: approve, reject, comment."),
        (choosing_run(prompt="Release\n  1.4"), "Release 1.4. Waits for: approve, reject."),
        (choosing_run(prompt=" \n"), "Waits for an event: approve, reject."),
        (choosing_run(()), "Waits for no event."),
        (
            choosing_run(prompt=QUESTION, deadline=at("13:00"), timeout_step="remind"),
            f"{QUESTION} Waits for: approve, reject. {REMIND}",
        ),
        (
            choosing_run(["approve", "escalate"]),
            f"Waits for an event: approve, escalate. {NO_HANDLER}",
        ),
    ],
)
def test_the_message_of_a_wait_begins_with_its_prompt_and_names_what_it_takes(
    run: WorkflowRun, text: str
) -> None:
    assert displayed(run).message == text


def test_a_long_prompt_leaves_room_for_what_the_wait_takes() -> None:
    message = displayed(choosing_run(prompt="why? " * (MAX_PROMPT_BYTES // 5))).message

    assert message.endswith("... Waits for: approve, reject.")
    assert len(message) < MAX_PROMPT_CHARS_IN_MESSAGE + 40


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, AWAITED),
        (1, f"{AWAITED} 1 more event waits for a later wait: comment."),
        (
            2,
            f"{AWAITED} 2 more events wait for a later wait: comment, comment.",
        ),
        (
            4_000,
            f"{AWAITED} 4000 more events wait for a later wait: {', '.join(['comment'] * 5)}, ...",
        ),
    ],
)
def test_the_message_counts_the_events_that_wait_for_a_later_wait(count: int, text: str) -> None:
    assert displayed(choosing_run(), *many("comment", count)).message == text


def test_a_wait_that_takes_every_event_counts_none_for_a_later_one() -> None:
    run = choosing_run(None, deadline=at("10:30"), timeout_step="remind")  # they came too late

    decision = decide(run, view(run, *COMMENTS), executions(workers=WORKERS), at("10:30"))

    assert "later wait" not in status_of(decision).message


def test_an_event_that_comes_and_does_not_fit_changes_the_message_when_the_inbox_is_written() -> (
    None
):
    run = choosing_run(prompt=QUESTION)
    seen = shown(run, view(run), executions(workers=WORKERS), NOON)

    decision = decide(seen, view(seen, *COMMENTS), executions(workers=WORKERS), NOON)

    assert decision.urgency is Urgency.FOR_PEOPLE
    assert status_of(decision).message == (
        f"{QUESTION} Waits for: approve, reject."
        " 2 more events wait for a later wait: comment, comment."
    )
    again = shown(seen, view(seen, *COMMENTS), executions(workers=WORKERS), NOON)
    assert decide(again, view(again, *COMMENTS), executions(workers=WORKERS), NOON) == Decision()


@pytest.mark.parametrize("workers", [[], [worker(connected=False)]])
def test_the_message_of_a_wait_with_a_prompt_stays_when_workers_go(workers: list[Any]) -> None:
    run = choosing_run(prompt=QUESTION)
    seen = shown(run, view(run), executions(workers=WORKERS), NOON)

    assert decide(seen, view(seen), executions(workers=workers), NOON) == Decision()


def test_a_new_version_changes_the_message_of_a_wait_with_a_prompt_in_the_background() -> None:
    run = choosing_run(["approve", "escalate"], prompt=QUESTION)
    seen = shown(run, view(run), executions(workers=WORKERS), NOON)
    newer = executions(workers=[worker(events=["approve", "escalate"])])

    decision = decide(seen, view(seen), newer, NOON)

    assert decision.urgency is Urgency.IN_BACKGROUND
    assert status_of(decision).message == f"{QUESTION} Waits for: approve, escalate."


def test_the_inbox_shows_first_what_the_wait_takes() -> None:
    crowd = many("comment", MAX_SHOWN_INBOX_ENTRIES)
    approve = event("approve", place=2)
    run = choosing_run()
    working = brought(execution(run, approve), WaitForEvent(events=("reject",)))
    late = [event("reject", "reject-1", created_at=at("13:00"), place=3)]

    before = decide(run, view(run, *crowd, approve), executions(workers=[]), NOON)
    events = view(run, *crowd, approve, *late)
    after = decide(run, events, executions(working, workers=[]), NOON)

    assert [entry.name for entry in status_of(before).inbox][:2] == ["approve", "comment-1"]
    assert [entry.name for entry in status_of(after).inbox][:2] == ["reject-1", "comment-1"]
    assert status_of(before).inbox_length == len(crowd) + 1


def test_while_a_handler_runs_the_inbox_shows_what_comes_next_first() -> None:
    run = choosing_run()
    approve, reject = event("approve", place=2), event("reject", place=4)
    running = executions(brought(execution(run, approve), WaitForEvent()), workers=WORKERS)

    status = status_of(decide(run, view(run, *COMMENTS, approve, reject), running, NOON))

    assert [entry.event_name for entry in status.inbox] == ["comment", "comment", "reject"]
