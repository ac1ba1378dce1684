"""`grctl send`: send an event."""

from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.completing import active_ids, event_names
from grctl.cli.failing import fail, run, say
from grctl.cli.json_argument import read_json
from grctl.cli.options import Context, Kubeconfig, Namespace, Output
from grctl.cli.output import Format, show
from grctl.cli.waiting import Limit, patiently, read_limit
from grctl.terminal import printable

if TYPE_CHECKING:
    from grctl.client import Client, SentEvent
    from grctl.models import EventStatus, RunInfo

FORBIDDEN = 403

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Workflow id; its run may come later.", autocompletion=active_ids
    ),
]
Event = Annotated[
    str, typer.Argument(metavar="EVENT", help="Event name.", autocompletion=event_names)
]
Payload = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="""data for the handler: '{"qty": 2}', '"a"' or @FILE"""),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="name of the WorkflowEvent: sent once under the same name"),
]
Force = Annotated[
    bool, typer.Option("--force", help="send also a name that the run's workflow does not know")
]
Wait = Annotated[bool, typer.Option("--wait", help="wait until it is settled, and say how")]


def send(
    workflow_id: Id,
    event_name: Event,
    payload: Payload = None,
    name: Name = None,
    *,
    force: Force = False,
    wait: Wait = False,
    timeout: Limit = None,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Send an event to a run.

    The run may come later: the event waits for it. With --wait the exit code is 1 where no handler
    took the event.
    """
    from grctl.client import Client

    value, limit = read_json(payload, "--payload"), read_limit(timeout, wait=wait)

    async def work() -> None:
        async with Client(namespace, kubeconfig, context) as client:
            seen, info = await _look(client, workflow_id)
            if info and not force:
                _check_name(info, event_name)
            sent = await client.send(
                workflow_id=workflow_id, event_name=event_name, payload=value, name=name
            )
            if output is Format.TEXT:
                typer.echo(f"Sent {printable(event_name)} to {workflow_id} as {sent.name}")
            if seen:
                _say_what_it_meets(info, sent)
            if wait:
                await _show_settled(sent, limit, output)
            elif output is not Format.TEXT:
                show("", _made(sent), output)

    run(work())


async def _look(client: "Client", workflow_id: str) -> "tuple[bool, RunInfo | None]":
    """Give the present run of the id, if there is one; a sender need not be allowed to see it."""
    from grctl.client import WorkflowNotFoundError
    from grctl.kube import ApiError

    try:
        handle = await client.get_workflow_handle(workflow_id=workflow_id)
        return True, await handle.describe()
    except WorkflowNotFoundError:
        return True, None
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        return False, None


def _check_name(info: "RunInfo", event_name: str) -> None:
    """Refuse a name that the run's workflow does not know, as far as its workers told."""
    known = info.event_names
    if event_name in known or not known:
        return
    near = get_close_matches(event_name, known, n=1)
    meant = f' Did you mean "{near[0]}"?' if near else ""
    listed = ", ".join(f'"{each}"' for each in sorted(known, key=lambda each: each not in near))
    fail(
        f'{info.workflow_type} has no event handler "{printable(event_name)}".{meant} It has'
        f" {listed}. Nothing was sent; --force sends it nevertheless."
    )


def _say_what_it_meets(info: "RunInfo | None", sent: "SentEvent") -> None:
    """Say beside the output where nobody will take the event soon."""
    if info is None:
        where = f"{sent.workflow_id!r} in namespace {sent.namespace!r}"
        say(f"there is no run of {where} yet; the event waits for it")
    elif info.phase.finished:
        say(f"{sent.workflow_id} is finished ({info.phase}) and takes no events any more")


def _made(sent: "SentEvent", status: "EventStatus | None" = None) -> dict[str, Any]:
    made = {
        "name": sent.name,
        "namespace": sent.namespace,
        "uid": sent.uid,
        "workflowId": sent.workflow_id,
        "eventName": sent.event_name,
    }
    return made | (status.to_json() if status else {})


async def _show_settled(sent: "SentEvent", limit: timedelta | None, output: Format) -> None:
    """Say how it was settled; exit code 1 where no handler's outcome came of it."""
    from grctl.models import EventPhase

    text = f"Event {sent.name} goes on waiting: grctl describe {sent.workflow_id} shows it."
    status = await patiently(sent.settled(limit), text)
    told = f"{status.phase}: {printable(status.message or status.reason or '')}"
    processed = status.phase is EventPhase.PROCESSED
    if processed or output is not Format.TEXT:
        show(told, _made(sent, status), output)
    if not processed:
        fail(told)
