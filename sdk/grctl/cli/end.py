"""`grctl cancel` and `grctl terminate`: end a run."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from grctl.cli.failing import fail, run
from grctl.cli.options import ActiveId, Context, Kubeconfig, Namespace, Output
from grctl.cli.output import Format, show
from grctl.cli.waiting import Limit, patiently, read_limit
from grctl.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from grctl.client import Client, WorkflowHandle
    from grctl.models import RunInfo


@dataclass(frozen=True)
class Wish:
    """A way to end a run."""

    word: str
    phase: str
    """What the run becomes by it."""
    ask: "Callable[[WorkflowHandle], Awaitable[None]]"


CANCEL = Wish("cancel", "Cancelled", lambda handle: handle.cancel())
TERMINATE = Wish("terminate", "Terminated", lambda handle: handle.terminate())

Wait = Annotated[bool, typer.Option("--wait", help="wait until it has ended, and say how")]


def cancel(
    workflow_id: ActiveId,
    *,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End a run before its next handler.

    A handler that runs is not interrupted, and what it did is kept. The exit code is 1 where the
    run had ended otherwise.
    """
    from grctl.client import Client

    limit = read_limit(timeout, wait=wait)
    _end(Client(namespace, kubeconfig, context), workflow_id, CANCEL, limit, output, wait=wait)


def terminate(
    workflow_id: ActiveId,
    *,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End a run at once.

    A handler that runs is aborted, and what it did is void. The exit code is 1 where the run had
    ended otherwise.
    """
    from grctl.client import Client

    limit = read_limit(timeout, wait=wait)
    _end(Client(namespace, kubeconfig, context), workflow_id, TERMINATE, limit, output, wait=wait)


def _end(
    opened: "Client",
    workflow_id: str,
    wish: Wish,
    limit: timedelta | None,
    output: Format,
    *,
    wait: bool,
) -> None:
    async def work() -> "RunInfo":
        async with opened as client:
            handle = await client.get_workflow_handle(workflow_id=workflow_id)
            info = await handle.describe()
            if info.phase.finished:
                return info
            await wish.ask(handle)
            if output is Format.TEXT:
                typer.echo(f"Asked to {wish.word} {workflow_id}")
            if not wait:
                return await handle.describe()
            return await patiently(handle.finished(limit), "The run was asked to end, and will.")

    _show(run(work()), wish, output)


def _show(info: "RunInfo", wish: Wish, output: Format) -> None:
    """Print how the run stands; exit code 1 where it had ended otherwise."""
    how = printable(info.message) or info.phase
    as_asked = info.phase == wish.phase
    if as_asked or output is not Format.TEXT:
        show(f"{info.workflow_id}: {how}", info.to_json(), output)
    if info.phase.finished and not as_asked:
        fail(f"too late to {wish.word} {info.workflow_id}, it had ended before: {how}")
