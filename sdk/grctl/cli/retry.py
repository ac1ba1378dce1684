"""`grctl retry`: give a run that is held new attempts."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.failing import fail, run
from grctl.cli.news import News
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    Context,
    HeldId,
    Kubeconfig,
    Namespace,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, report
from grctl.cli.waiting import Limit, read_limit, wait_with_news
from grctl.terminal import printable

if TYPE_CHECKING:
    from grctl.client import Client, WorkflowHandle
    from grctl.client.access import Access
    from grctl.models import RunInfo

Wait = Annotated[
    bool, typer.Option("--wait", help="wait until the handler has an outcome, or is held again")
]


def retry(
    workflow_id: HeldId,
    *,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """Retry a run that is held: new attempts at its handler begin.

    Tasks that have ended do not run again. The exit code is 1 if the run is not held or, with
    --wait, if it is held again or fails.
    """
    from grctl.client import Client

    limit = read_limit(timeout, wait=wait)
    opened = Client(namespace, kubeconfig, context, request_timeout=request_timeout)
    info = run(_retry(opened, workflow_id, limit, output, wait=wait))
    if info is not None:
        _show(info, output, wait=wait)


async def _retry(
    opened: "Client", workflow_id: str, limit: timedelta | None, output: Format, *, wait: bool
) -> "RunInfo | None":
    from grctl.cli.reading import access_of, read_back

    async with opened as client:
        handle = await client.get_workflow_handle(workflow_id=workflow_id)
        before = await handle.describe()
        number = await handle.retry()
        if output is Format.TEXT:
            report(_done_text(before, number), None, output)
        if not wait:
            return await read_back(handle, f"{workflow_id} was asked to try again")
        access = access_of(client)
        waiting = _next_outcome(access, handle, before.commits, number, limit)
        goes_on = "The run was asked to try again, and will."
        return await wait_with_news(waiting, goes_on, News(access, workflow_id))


async def _next_outcome(
    access: "Access", handle: "WorkflowHandle", commits: int, number: int, limit: timedelta | None
) -> "RunInfo":
    """Wait until the handler has an outcome or is held again, or the run is finished."""
    import asyncio

    from grctl.cli.unreadable import run_from
    from grctl.client.client import run_not_found
    from grctl.client.timeouts import in_words, seconds
    from grctl.kube import RUNS
    from grctl.models import RunInfo

    def judge(seen: "dict[str, Any] | None") -> "RunInfo | None":
        if seen is None or seen["metadata"]["uid"] != handle.uid:
            raise run_not_found(handle.workflow_id, handle.namespace)
        found = run_from(seen)
        status = found.status
        held = status.step is not None and status.step.stall is not None
        ended = status.phase.finished or status.commits > commits
        return RunInfo.of(found) if ended or (held and status.observed_retry >= number) else None

    try:
        async with asyncio.timeout(seconds(limit)):
            return await access.follow(RUNS, handle.workflow_id, judge)
    except TimeoutError as error:
        raise TimeoutError(
            f"{handle.workflow_id} has no outcome yet after {in_words(limit)}; it goes on."
        ) from error


def _done_text(before: "RunInfo", number: int) -> str:
    """Return what was done, and why the run was held."""
    handler = printable(before.step.name) if before.step else "its handler"
    why = before.step.stall.message if before.step and before.step.stall else ""
    text = f"Asked {before.workflow_id} to try {handler} again (spec.retry {number})."
    return f"{text} It was held: {printable(why)}" if why else text


def _show(info: "RunInfo", output: Format, *, wait: bool) -> None:
    """Print the state of the run. The exit code is 1 if it is held again, or has failed."""
    held = info.step.stall if info.step else None
    how = printable(held.message if held else info.message) or info.phase
    failed = info.phase.finished and info.phase != "Completed"
    bad = wait and (held is not None or failed)
    if output is not Format.TEXT or (wait and not bad):
        report(f"{info.workflow_id}: {how}", info.to_json(), output)
    if bad:
        again = "is held again" if held else "has ended"
        fail(f"{info.workflow_id} {again}: {how}")
