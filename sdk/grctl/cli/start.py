"""`grctl start`: start a run."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from grctl.cli.failing import run
from grctl.cli.json_argument import read_json
from grctl.cli.options import Context, Kubeconfig, Namespace, WorkflowId

Type = Annotated[
    str, typer.Argument(metavar="TYPE", help="Workflow type, as Workflow(workflow_type=...) has.")
]
Input = Annotated[
    str | None,
    typer.Option("--input", metavar="JSON", help="""input of the start handler: '{"key": 1}'"""),
]
Timeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="the run ends as TimedOut when older: 90s, 24h, 1h30m"),
]
Wait = Annotated[bool, typer.Option("--wait", help="wait until it is finished, print its result")]


def start(
    workflow_type: Type,
    workflow_id: WorkflowId,
    workflow_input: Input = None,
    timeout: Timeout = None,
    *,
    wait: Wait = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Start a run of a workflow type under an id of your choice."""
    from grctl.client import Client

    value, limit = read_json(workflow_input, "--input"), _duration(timeout)

    async def work() -> None:
        async with Client(namespace, kubeconfig, context) as client:
            handle = await client.start_workflow(
                workflow_type=workflow_type,
                workflow_id=workflow_id,
                workflow_input=value,
                workflow_timeout=limit,
            )
            typer.echo(f"Started {handle.workflow_id} in namespace {handle.namespace}", err=wait)
            if wait:
                _print_result(await handle.result())

    run(work())


def _duration(text: str | None) -> timedelta | None:
    from pydantic import TypeAdapter, ValidationError

    from grctl.models.base import Duration

    try:
        return TypeAdapter(Duration | None).validate_python(text)
    except ValidationError as error:
        message = f"{text!r} is no duration; write it like 90s, 15m or 1h30m"
        raise typer.BadParameter(message, param_hint="--timeout") from error


def _print_result(result: Any) -> None:
    import json

    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
