"""`grctl describe`: how a run stands, and what became of its last events."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.failing import run
from grctl.cli.options import Context, Kubeconfig, Namespace, WorkflowId

if TYPE_CHECKING:
    from grctl.models import RunInfo, WorkflowEvent


class OutputFormat(StrEnum):
    """How it is written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="how it is written")]


def describe(
    workflow_id: WorkflowId,
    output: Output = OutputFormat.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Say how a run stands: phase, step or wait, events, store, result or error."""
    from grctl.client import Client

    async def work() -> "tuple[RunInfo, list[WorkflowEvent]]":
        async with Client(namespace, kubeconfig, context) as client:
            handle = await client.get_workflow_handle(workflow_id=workflow_id)
            info = await handle.describe()
        return info, await _events(info, kubeconfig, context)

    typer.echo(_write(*run(work()), output))


async def _events(
    info: "RunInfo", kubeconfig: str | None, context: str | None
) -> "list[WorkflowEvent]":
    """Give the events of the run's id, those that were handled first."""
    from grctl.kube import EVENTS, Api, Connection
    from grctl.models import WorkflowEvent

    selector = {"fieldSelector": f"spec.workflowId={info.workflow_id}"}
    async with Api(await Connection.find(kubeconfig, context)) as api:
        listed = await api.get(EVENTS.path(info.namespace), selector)
    return sorted(map(WorkflowEvent.model_validate, listed["items"]), key=_order)


def _order(event: "WorkflowEvent") -> tuple[bool, int, int]:
    """Settled ones by their sequence, then waiting ones by their place in the arrival order."""
    sequence, place = event.status.sequence, event.status.place
    arrival = place or int(event.metadata.resource_version or 0)
    return sequence is None, sequence or 0, arrival


def _write(info: "RunInfo", events: "list[WorkflowEvent]", output: OutputFormat) -> str:
    from grctl.cli.describing import SHOWN, text_of

    if output is OutputFormat.TEXT:
        return text_of(info, events, datetime.now(UTC))
    made: dict[str, Any] = info.to_json()
    made["recentEvents"] = [_summary(each) for each in events[-SHOWN:]]
    return _as_yaml(made) if output is OutputFormat.YAML else _as_json(made)


def _summary(event: "WorkflowEvent") -> dict[str, Any]:
    kept = ("phase", "sequence", "reason", "message", "settledAt")
    status = event.status.to_json()
    named = {"name": event.metadata.name, "eventName": event.spec.event_name}
    return named | {key: status[key] for key in kept if key in status}


def _as_json(value: Any) -> str:
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)


def _as_yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip("\n")
