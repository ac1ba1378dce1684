"""`grctl send`: send an event."""

from typing import TYPE_CHECKING, Annotated

import typer

from grctl.cli.failing import fail, run
from grctl.cli.json_argument import read_json
from grctl.cli.options import Context, Kubeconfig, Namespace, WorkflowId

if TYPE_CHECKING:
    from grctl.client import SentEvent

Event = Annotated[str, typer.Argument(metavar="EVENT", help="Event name.")]
Payload = Annotated[
    str | None, typer.Option(metavar="JSON", help="""data for the handler: '{"qty": 2}' or '"a"'""")
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="name of the WorkflowEvent: sent once under the same name"),
]
Wait = Annotated[bool, typer.Option("--wait", help="wait until it is settled, and say how")]


def send(
    workflow_id: WorkflowId,
    event_name: Event,
    payload: Payload = None,
    name: Name = None,
    *,
    wait: Wait = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Send an event to a run, also to one that does not exist yet."""
    from grctl.client import Client

    value = read_json(payload, "--payload")

    async def work() -> None:
        async with Client(namespace, kubeconfig, context) as client:
            sent = await client.send(
                workflow_id=workflow_id, event_name=event_name, payload=value, name=name
            )
            typer.echo(f"Sent {event_name} to {workflow_id} as {sent.name}")
            if wait:
                await _say_how_settled(sent)

    run(work())


async def _say_how_settled(sent: "SentEvent") -> None:
    """Exit code 1 where no handler's outcome came of it."""
    from grctl.models import EventPhase

    status = await sent.settled()
    text = f"{status.phase}: {status.message or status.reason}"
    if status.phase is not EventPhase.PROCESSED:
        fail(text)
    typer.echo(text)
