"""`grctl cancel` and `grctl terminate`: end a run."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from grctl.cli.failing import fail, run
from grctl.cli.news import News
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    ActiveId,
    Context,
    Kubeconfig,
    Namespace,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, report
from grctl.cli.waiting import Limit, read_limit, wait_with_news
from grctl.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from grctl.client import Client, WorkflowHandle
    from grctl.models import RunInfo


@dataclass(frozen=True)
class EndRequest:
    """A way to end a run."""

    verb: str
    phase: str
    """The final phase of a run that was ended so."""
    ask: "Callable[[WorkflowHandle], Awaitable[None]]"


TERMINATE = EndRequest("terminate", "Terminated", lambda handle: handle.terminate())

Reason = Annotated[
    str | None, typer.Option("--reason", help="why, for people: a part of the run's message")
]
Wait = Annotated[bool, typer.Option("--wait", help="wait until it has ended, and say how")]


def cancel(
    workflow_id: ActiveId,
    *,
    reason: Reason = None,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """End a run before its next handler.

    A handler that runs is not interrupted, and what it did is kept. The exit code is 1 if the
    run had ended otherwise.
    """
    from grctl.client import Client

    limit = read_limit(timeout, wait=wait)
    _end(
        Client(namespace, kubeconfig, context, request_timeout=request_timeout),
        workflow_id,
        EndRequest("cancel", "Cancelled", lambda handle: handle.cancel(reason)),
        limit,
        output,
        wait=wait,
    )


def terminate(
    workflow_id: ActiveId,
    *,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """End a run at once.

    A handler that runs is aborted, and what it did is void. The exit code is 1 if the run had
    ended otherwise.
    """
    from grctl.client import Client

    limit = read_limit(timeout, wait=wait)
    _end(
        Client(namespace, kubeconfig, context, request_timeout=request_timeout),
        workflow_id,
        TERMINATE,
        limit,
        output,
        wait=wait,
    )


def _end(
    opened: "Client",
    workflow_id: str,
    request: EndRequest,
    limit: timedelta | None,
    output: Format,
    *,
    wait: bool,
) -> None:
    from grctl.cli.reading import access_of, read_back

    async def work() -> "RunInfo | None":
        async with opened as client:
            handle = await client.get_workflow_handle(workflow_id=workflow_id)
            info = await _present_state(handle)
            if info and info.phase.finished:
                return info
            await request.ask(handle)
            if output is Format.TEXT:
                report(f"Asked to {request.verb} {workflow_id}", None, output)
            if not wait:
                return await read_back(handle, f"{workflow_id} was asked to {request.verb}")
            goes_on = "The run was asked to end, and will."
            news = News(access_of(client), workflow_id)
            return await wait_with_news(handle.finished(limit), goes_on, news)

    info = run(work())
    if info is not None:
        _show(info, request, output)


async def _present_state(handle: "WorkflowHandle") -> "RunInfo | None":
    """Return the state of the run; None if it cannot be read: such a run can be ended too."""
    from grctl.client import UnreadableObjectError

    try:
        return await handle.describe()
    except UnreadableObjectError:
        return None


def _show(info: "RunInfo", request: EndRequest, output: Format) -> None:
    """Print the state of the run. The exit code is 1 if it had ended otherwise."""
    how = printable(info.message) or info.phase
    as_asked = info.phase == request.phase
    if as_asked or output is not Format.TEXT:
        report(f"{info.workflow_id}: {how}", info.to_json(), output)
    if info.phase.finished and not as_asked:
        fail(f"too late to {request.verb} {info.workflow_id}, it had ended before: {how}")
