"""A run as text, from its resource and its events."""

from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.cli.describing import text_of
from grctl.models import WorkflowEvent, WorkflowRun

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
METADATA = {"name": "order-abc", "namespace": "shop", "creationTimestamp": NOON.isoformat()}


def run(spec: dict[str, Any] | None = None, **status: Any) -> WorkflowRun:
    body = {"metadata": METADATA, "spec": {"workflow": {"type": "ProcessOrder"}, **(spec or {})}}
    return WorkflowRun.model_validate(body | {"status": status})


def event(name: str, **status: Any) -> WorkflowEvent:
    spec = {"workflowId": "order-abc", "eventName": name}
    metadata = METADATA | {"name": f"order-abc-{name}", "uid": f"uid-{name}"}
    return WorkflowEvent.model_validate({"metadata": metadata, "spec": spec, "status": status})


def renamed(event: WorkflowEvent, event_name: str) -> WorkflowEvent:
    """Return an event with another event name, which may be any text."""
    spec = event.spec.model_copy(update={"event_name": event_name})
    return event.model_copy(update={"spec": spec})


def condition(reason: str, status: str = "Unknown") -> dict[str, str]:
    since = NOON.isoformat()
    return {"type": "Succeeded", "status": status, "reason": reason, "lastTransitionTime": since}


def lines_of(run: WorkflowRun, *events: WorkflowEvent, width: int | None = None) -> list[str]:
    return text_of(run, events, LATER, width)


def test_a_waiting_run_shows_its_deadline_its_store_and_its_events() -> None:
    wait = {
        "since": NOON.isoformat(),
        "deadline": (NOON + timedelta(hours=24)).isoformat(),
        "timeoutStep": "auto_approve",
    }
    waiting = run(
        phase="WaitEvent",
        message="Waits for an event: approve.",
        conditions=[condition("WaitingForEvent")],
        wait=wait,
        store={"order_id": "abc", "qty": 3},
        events={"processed": 1, "rejected": 1},
        inboxLength=1,
        history=[
            {
                "commit": 1,
                "at": NOON.isoformat(),
                "handler": "start",
                "kind": "start",
                "outcome": "waits for an event",
            }
        ],
    )
    at = (NOON + timedelta(minutes=1)).isoformat()
    assert lines_of(
        waiting,
        event("note", phase="Processed", reason="Handled", sequence=1, settledAt=at),
        event("aprove", phase="Rejected", message='It has "approve".', sequence=2, settledAt=at),
        event("approve"),
    ) == [
        "Run        order-abc (namespace shop)",
        "Workflow   ProcessOrder",
        "Phase      WaitEvent",
        "Message    Waits for an event: approve.",
        "Created    2026-11-23 12:00:00 UTC (5m ago)",
        "Waits      since 2026-11-23 12:00:00 UTC (5m ago)",
        "Until      2026-11-24 12:00:00 UTC (in 23h55m), then step auto_approve",
        "Events     1 processed, 1 rejected, 1 waiting",
        'Store      order_id = "abc"',
        "           qty      = 3",
        "",
        "Waiting events, in order",
        "  5m   approve   order-abc-approve",
        "",
        "Settled events",
        "  1   4m   note     Processed",
        '  2   4m   aprove   Rejected    It has "approve".',
        "",
        "History",
        "  1   5m   start   waits for an event",
    ]


def test_a_failed_run_shows_its_reason_and_its_error_with_the_stack_trace() -> None:
    failed = run(
        phase="Failed",
        message="Failed: ValueError: no stock",
        conditions=[condition("HandlerFailed", "False")],
        finishedAt=(NOON + timedelta(minutes=3)).isoformat(),
        error={"type": "ValueError", "message": "no stock", "stackTrace": "File a\n  line\n"},
    )
    lines = lines_of(failed)
    assert "Reason     HandlerFailed" in lines
    assert "Finished   2026-11-23 12:03:00 UTC (2m ago), after 3m" in lines
    assert lines[-3:] == [
        "Error      ValueError: no stock",
        "           File a",
        "             line",
    ]


def test_a_reason_is_shown_if_it_says_more_than_the_phase() -> None:
    def reason(phase: str, reason: str) -> list[str]:
        lines = lines_of(run(phase=phase, conditions=[condition(reason)]))
        return [line for line in lines if line.startswith("Reason")]

    assert reason("Pending", "NoWorker") == ["Reason     NoWorker"]
    assert reason("Running", "WorkerLost") == ["Reason     WorkerLost"]
    assert reason("Running", "Running") == reason("Pending", "Starting") == []
    assert reason("Completed", "Completed") == []


def test_an_active_run_shows_that_it_was_asked_to_end() -> None:
    asked = {"cancel": True, "workflow": {"type": "ProcessOrder", "timeout": "1h"}}
    lines = lines_of(run(asked, phase="Running"))
    assert "Asked      to cancel" in lines
    assert "Times out  2026-11-23 13:00:00 UTC (in 55m)" in lines
    ended = lines_of(run(asked, phase="Cancelled", finishedAt=NOON.isoformat()))
    assert not any(line.startswith(("Asked", "Times out")) for line in ended)


def test_a_running_run_shows_handler_worker_and_attempt() -> None:
    step = {"name": "pay", "kind": "step", "attempt": 2, "worker": "vm", "since": NOON.isoformat()}
    assert (
        "Runs       step handler pay on vm, attempt 2, since 2026-11-23 12:00:00 UTC (5m ago)"
        in lines_of(run(phase="Running", step=step))
    )


def test_an_event_that_is_being_handled_is_not_shown_as_waiting() -> None:
    step = {"name": "a", "kind": "event", "eventUid": "uid-a", "since": NOON.isoformat()}
    lines = lines_of(run(phase="Running", step=step), event("a"), event("b"))
    assert lines[lines.index("Waiting events, in order") :] == [
        "Waiting events, in order",
        "  5m   b   order-abc-b",
    ]


def test_an_event_that_the_wait_does_not_take_is_shown_as_waiting_for_a_later_one() -> None:
    wait = {"since": NOON.isoformat(), "events": ["b"]}
    lines = lines_of(run(phase="WaitEvent", wait=wait), event("a"), event("b"))
    assert lines[lines.index("Waiting events, in order") :] == [
        "Waiting events, in order",
        "  5m   a   order-abc-a   for a later wait",
        "  5m   b   order-abc-b",
    ]


def test_a_result_of_any_json_is_shown() -> None:
    done = lines_of(run(phase="Completed", result={"long": "x" * 200}))
    assert any(line.startswith('             "long": "xxx') for line in done)
    assert "Result     false" in lines_of(run(phase="Completed", result=False))


def test_only_the_first_waiting_and_the_last_settled_events_are_shown() -> None:
    settled = [
        event(f"e{n}", phase="Processed", reason="Handled", sequence=n) for n in range(1, 15)
    ]
    lines = lines_of(run(), *settled, *(event(f"w{n}") for n in range(12)))
    waiting = lines.index("Waiting events, in order (the first 10 of 12)")
    assert lines[waiting + 1] == "  5m   w0   order-abc-w0"
    assert lines[waiting + 12] == "Settled events (the last 10 of 14)"
    assert lines[-1].split() == ["14", "e14", "Processed"]


def test_a_long_text_is_wrapped_at_the_edge_of_a_terminal() -> None:
    message = "It has no such handler; it has approve, reject, and others."
    lines = lines_of(
        run(message=message), event("x", phase="Rejected", message=message, sequence=1), width=50
    )
    assert lines[3:5] == [
        "Message    It has no such handler; it has approve,",
        "           reject, and others.",
    ]
    assert lines[-2].startswith(" " * 24)
    assert max(map(len, lines)) <= 50


def test_the_input_is_shown() -> None:
    given = {"workflow": {"type": "ProcessOrder", "input": {"order_id": "größe"}}}
    assert 'Input      {"order_id": "größe"}' in lines_of(run(given))


def test_control_characters_in_a_run_and_its_events_are_escaped() -> None:
    evil = "\x1b[2J"
    shown = lines_of(
        run(message=evil, store={evil: evil}, error={"type": "E", "message": evil}),
        renamed(event("a", phase="Rejected", message=evil, sequence=1), evil),
        renamed(event("b"), evil),
    )
    assert not any(evil in line for line in shown)
    assert len([line for line in shown if r"\x1b[2J" in line]) == 5


def test_a_timeout_beyond_the_calendar_is_shown_as_never() -> None:
    endless = run({"workflow": {"type": "ProcessOrder", "timeout": "99999999999h"}})

    assert "Times out  never: its timeout is beyond the calendar" in lines_of(endless)


WHY = "approve failed 4 times (ValueError: no stock). Mend the cause, then: grctl retry order-abc."


def held(spec: dict[str, Any] | None = None, **status: Any) -> WorkflowRun:
    since = (NOON + timedelta(minutes=4)).isoformat()
    stall = {"reason": "HandlerFailed", "message": WHY, "since": since}
    step = {"name": "approve", "kind": "event", "since": NOON.isoformat(), "stall": stall}
    return run(spec, phase="WaitEvent", message=WHY, step=step, **status)


def test_a_held_run_shows_the_handler_the_reason_and_what_to_do() -> None:
    lines = lines_of(held())

    at = lines.index("Held at    event handler approve, since 2026-11-23 12:00:00 UTC (5m ago)")
    assert lines[at + 1] == (
        "           HandlerFailed, since 2026-11-23 12:04:00 UTC (1m ago);"
        " `grctl retry order-abc` goes on"
    )
    assert sum(WHY in line for line in lines) == 1


def test_a_held_run_that_was_retried_shows_that_the_retry_is_asked_for() -> None:
    spec = {"retry": 2}

    assert any(line.endswith("; a retry is asked for") for line in lines_of(held(spec)))
    seen = lines_of(held(spec, observedRetry=2))
    assert any(line.endswith("; `grctl retry order-abc` goes on") for line in seen)


def test_a_step_that_waits_for_its_time_shows_that_time() -> None:
    not_before = (LATER + timedelta(days=3)).isoformat()
    step = {"name": "remind", "kind": "step", "since": NOON.isoformat(), "notBefore": not_before}

    lines = lines_of(run(phase="Running", step=step))

    at = lines.index("Next       step handler remind, since 2026-11-23 12:00:00 UTC (5m ago)")
    assert lines[at + 1] == "Not before 2026-11-26 12:05:00 UTC (in 3d)"


def test_a_wait_shows_its_prompt_and_the_events_that_it_takes() -> None:
    wait = {"since": NOON.isoformat(), "events": ["approve", "reject"], "prompt": "Pay?\nSay so."}

    lines = lines_of(run(phase="WaitEvent", wait=wait))

    assert "Prompt     Pay?" in lines
    assert "           Say so." in lines
    assert "Waits      for approve, reject, since 2026-11-23 12:00:00 UTC (5m ago)" in lines


def test_answers_are_shown_and_so_is_why_a_query_has_none() -> None:
    answers = {"summary": "a laptop", "total": 120, "$errors": {"lines": "KeyError: 'lines'"}}

    lines = lines_of(run(answers=answers))

    at = lines.index('Answers    summary = "a laptop"')
    assert lines[at + 1 : at + 3] == [
        "           total   = 120",
        "No answer  lines: KeyError: 'lines'",
    ]


def test_the_tasks_of_the_handler_that_is_due_are_shown_with_their_next_attempt() -> None:
    at = (NOON + timedelta(minutes=4)).isoformat()
    error = {"type": "ConnectionError", "message": "no route"}
    entries = {
        "reserve/5f3a09c2/1": {"ok": {"id": 1}, "at": at},
        "reserve/5f3a09c2/2": {"error": error, "n": 3, "at": at},
        "mail/5f3a09c2/1": {"begun": "execution-1", "at": at},
        "charge/5f3a09c3/1": {
            "failed": 2,
            "of": 5,
            "error": error,
            "next": (LATER + timedelta(seconds=8)).isoformat(),
            "at": LATER.isoformat(),
        },
        "wait/5f3a09c3/1": {"cancelled": True, "at": LATER.isoformat()},
        "broken/5f3a09c3/1": {"ok": 1, "n": "many"},
        "odd": 3,
    }
    step = {"name": "approve", "kind": "event", "since": NOON.isoformat()}
    lines = lines_of(run(phase="WaitEvent", step=step, journal={"entries": entries}))

    assert lines[lines.index("Tasks of approve") + 1 :] == [
        "  mail               1        begun       1m ago",
        "  reserve            1        done        1m ago",
        "  reserve (call 2)   3        failed      ConnectionError: no route",
        (
            "  charge             2 of 5   retrying    "
            "next attempt 2026-11-23 12:05:08 UTC (in 8s); ConnectionError: no route"
        ),
        "  wait               1        cancelled   0s ago",
    ]


def test_the_history_shows_the_tasks_of_each_commit() -> None:
    entry = {"commit": 2, "at": NOON.isoformat(), "handler": "approve", "kind": "event"}
    history = [{**entry, "outcome": "completed", "tasks": "charge (3), mail"}]

    lines = lines_of(run(history=history))

    assert lines[-1] == "  2   5m   approve   completed; tasks: charge (3), mail"
