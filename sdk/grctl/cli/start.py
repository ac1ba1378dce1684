"""`grctl start`: start a run."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.completing import workflow_types
from grctl.cli.failing import run, say
from grctl.cli.json_argument import read_json
from grctl.cli.news import News
from grctl.cli.operators import why_nobody_leads
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    Context,
    Kubeconfig,
    Namespace,
    NewId,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, as_json, report, show
from grctl.cli.streams import write_stderr
from grctl.cli.times import read_length
from grctl.cli.waiting import Limit, read_limit, wait_with_news

if TYPE_CHECKING:
    from grctl.client import WorkflowHandle
    from grctl.client.access import Access

Type = Annotated[
    str,
    typer.Argument(
        metavar="TYPE",
        help="Workflow type, as Workflow(workflow_type=...) has.",
        autocompletion=workflow_types,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="JSON", help="""for the start handler: '{"key": 1}' or @FILE"""
    ),
]
WorkflowTimeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="the run ends as TimedOut when older: 90s, 24h, 1h30m"),
]
Ttl = Annotated[
    str | None,
    typer.Option(
        "--ttl-after-finished",
        metavar="DURATION",
        help="delete it so long after it finished (default: it stays)",
    ),
]
KeepEvents = Annotated[
    int | None,
    typer.Option(min=0, metavar="NUMBER", help="keep so many settled events (default: 1000)"),
]
BackoffLimit = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="NUMBER",
        help="try a handler so often again that ends its worker's process (default: 4)",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="wait until it is finished, print its result")]


def start(
    workflow_type: Type,
    workflow_id: NewId,
    workflow_input: Input = None,
    *,
    workflow_timeout: WorkflowTimeout = None,
    ttl: Ttl = None,
    keep_events: KeepEvents = None,
    backoff_limit: BackoffLimit = None,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """Start a run under an id of your choice.

    A finished run of that id is replaced; an active one is not. With --wait the result is printed,
    and the exit code is 1 if there is none.
    """
    from grctl.cli.reading import access_of
    from grctl.client import Client
    from grctl.models.base import LONGEST_DURATION
    from grctl.models.run import MAX_TTL_S

    arguments: dict[str, Any] = {
        "workflow_input": read_json(workflow_input, "--input"),
        "workflow_timeout": read_length(workflow_timeout, "--workflow-timeout", LONGEST_DURATION),
        "ttl_after_finished": read_length(
            ttl, "--ttl-after-finished", timedelta(seconds=MAX_TTL_S)
        ),
        "keep_events": keep_events,
        "backoff_limit": backoff_limit,
    }
    limit = read_limit(timeout, wait=wait)

    async def work() -> None:
        async with Client(
            namespace, kubeconfig, context, request_timeout=request_timeout
        ) as client:
            handle = await client.start_workflow(
                workflow_type=workflow_type, workflow_id=workflow_id, **arguments
            )
            if wait:
                await _show_result(handle, access_of(client), limit, output)
            else:
                await _report_start(handle, access_of(client), output)

    run(work())


async def _report_start(handle: "WorkflowHandle", access: "Access", output: Format) -> None:
    """Report that the run was started, and why no operator takes it up, if that is so."""
    report(_started_text(handle), await _data_of(handle, output), output)
    why = await why_nobody_leads(access, access.namespace, datetime.now(UTC))
    if why:
        say(f"nobody takes it up now: {why}")


def _started_text(handle: "WorkflowHandle") -> str:
    return f"Started {handle.workflow_id} in namespace {handle.namespace}"


async def _data_of(handle: "WorkflowHandle", output: Format) -> dict[str, Any]:
    """Return the state of the new run; only its names if it cannot be read."""
    from grctl.cli.reading import read_back

    names = {
        "workflowId": handle.workflow_id,
        "namespace": handle.namespace,
        "uid": handle.uid,
    }
    info = None if output is Format.TEXT else await read_back(handle, _started_text(handle))
    return info.to_json() if info else names


async def _show_result(
    handle: "WorkflowHandle", access: "Access", limit: timedelta | None, output: Format
) -> None:
    """Wait for the result and print it. If there is none, the exit code is 1."""
    from grctl.client.results import result_of
    from grctl.models import RunPhase

    if output is Format.TEXT:
        write_stderr(_started_text(handle))
    name = handle.workflow_id
    text = f"The run goes on: grctl describe {name} shows it, grctl cancel {name} ends it."
    info = await wait_with_news(handle.finished(limit), text, News(access, name))
    if info.phase is RunPhase.COMPLETED or output is not Format.TEXT:
        shown = f"{name} is {info.phase}: grctl describe {name} shows more."
        show(as_json(info.result), info.to_json(), output, shown)
    result_of(info)
