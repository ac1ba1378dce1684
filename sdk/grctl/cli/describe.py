"""`grctl describe`: the state of a run, the events that wait for it, and its last settled ones."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grctl.cli.failing import run
from grctl.cli.operators import is_taken_up, not_taken_up_message
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    AnyId,
    Context,
    Kubeconfig,
    Namespace,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, show, terminal_width

if TYPE_CHECKING:
    from grctl.models import WorkflowEvent, WorkflowRun


def describe(
    workflow_id: AnyId,
    *,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """Show how a run stands, what it waits for, and what it did."""
    from grctl.cli.describing import text_of
    from grctl.cli.reading import find_run, open_access

    async def work() -> "tuple[WorkflowRun, list[WorkflowEvent], str]":
        async with open_access(namespace, kubeconfig, context, request_timeout) as access:
            found, events = await find_run(access, workflow_id)
            if output is not Format.TEXT or is_taken_up(found.status.message, found.status.phase):
                return found, events, ""
            unseen = await not_taken_up_message(access, access.namespace, datetime.now(UTC))
            return found, events, unseen

    found, events, unseen = run(work())
    text = text_of(found, events, datetime.now(UTC), terminal_width(), unseen)
    show("\n".join(text), _data_of(found, events), output)


def _data_of(found: "WorkflowRun", events: "list[WorkflowEvent]") -> dict[str, Any]:
    from grctl.cli.describing import SHOWN_EVENTS_COUNT, settled_events, waiting_events
    from grctl.models import RunInfo

    status = found.status.to_json()
    return {
        **RunInfo.of(found).to_json(),
        "input": found.spec.workflow.input,
        "conditions": status["conditions"],
        "history": status["history"],
        "waitingEvents": [
            _summary(each) for each in waiting_events(found, events)[:SHOWN_EVENTS_COUNT]
        ],
        "recentEvents": [_summary(each) for each in settled_events(events)[-SHOWN_EVENTS_COUNT:]],
    }


def _summary(event: "WorkflowEvent") -> dict[str, Any]:
    kept = ("phase", "sequence", "reason", "message", "settledAt")
    status, metadata = event.status.to_json(), event.metadata.to_json()
    named = {"name": event.metadata.name, "eventName": event.spec.event_name}
    created = {"createdAt": metadata["creationTimestamp"]}
    return named | created | {key: status[key] for key in kept if key in status}
