"""`grctl send`: send an event."""

from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.completing import active_ids, event_names
from grctl.cli.failing import fail, run, say
from grctl.cli.json_argument import read_json
from grctl.cli.news import News
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
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
    from grctl.client import Client, SentEvent
    from grctl.models import EventStatus, RunInfo

FORBIDDEN_STATUS = 403
WAITING_PHASE = "WaitEvent"  # the event names of a run in it are at most some minutes old
TYPO_SIMILARITY_RATIO = 0.8  # of difflib: a more similar name counts as a typing mistake

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
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """Send an event to a run.

    The run may come later: the event waits for it. With --wait the exit code is 1 if no handler
    took the event.
    """
    from grctl.cli.reading import access_of
    from grctl.client import Client

    value, limit = read_json(payload, "--payload"), read_limit(timeout, wait=wait)

    async def work() -> None:
        async with Client(
            namespace, kubeconfig, context, request_timeout=request_timeout
        ) as client:
            seen, info = await _find_run(client, workflow_id)
            if info and not force:
                _refuse_typo(info, event_name)
            sent = await client.send(
                workflow_id=workflow_id, event_name=event_name, payload=value, name=name
            )
            if output is Format.TEXT or not wait:
                report(_sent_text(sent), _data_of(sent), output)
            if seen:
                _warn_if_not_taken_soon(info, sent, force=force)
            if wait:
                await _show_settled(sent, News(access_of(client), workflow_id), limit, output)

    run(work())


async def _find_run(client: "Client", workflow_id: str) -> "tuple[bool, RunInfo | None]":
    """Return whether the run could be read, and the run of the id if there is one.

    A sender may lack the right to read runs.
    """
    from grctl.client import UnreadableObjectError, WorkflowNotFoundError
    from grctl.kube import ApiError

    try:
        handle = await client.get_workflow_handle(workflow_id=workflow_id)
        return True, await handle.describe()
    except WorkflowNotFoundError:
        return True, None
    except ApiError as error:
        if error.status != FORBIDDEN_STATUS:
            raise
        return False, None
    except UnreadableObjectError as error:
        say(f"the run {workflow_id} cannot be read: {error.problem}")
        return False, None


def _refuse_typo(info: "RunInfo", event_name: str) -> None:
    """Fail for a name that is nearly one that the waiting run's workflow handles.

    Any other unknown name may be right: a new version may have been deployed a moment ago.
    """
    near = get_close_matches(event_name, info.event_names, n=1, cutoff=TYPO_SIMILARITY_RATIO)
    if not near or _is_known(info, event_name) or info.phase != WAITING_PHASE:
        return
    names = sorted(info.event_names, key=lambda each: each not in near)
    fail(
        f'{info.workflow_type} has no event handler "{event_name}". Did you mean "{near[0]}"? It'
        f" has {_listed(names)}. Nothing was sent; --force sends it nevertheless."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{each}"' for each in names)


def _warn_if_not_taken_soon(info: "RunInfo | None", sent: "SentEvent", *, force: bool) -> None:
    """Write to standard error why no handler will take the event soon, if that is so."""
    if info is None:
        where = f"{sent.workflow_id!r} in namespace {sent.namespace!r}"
        say(f"there is no run of {where} yet; the event waits for it")
    elif info.phase.finished:
        say(f"{sent.workflow_id} is finished ({info.phase}) and takes no events any more")
    elif not force:
        _warn_of_unknown_name(info, sent.event_name)
        _note_a_later_wait(info, sent.event_name)


def _is_known(info: "RunInfo", event_name: str) -> bool:
    """Whether any version of the workflow handled such an event since the run was started."""
    return event_name in info.event_names or event_name in info.past_event_names


def _warn_of_unknown_name(info: "RunInfo", event_name: str) -> None:
    """Write to standard error that a name may be wrong, or that no worker has its handler now."""
    if not info.event_names or event_name in info.event_names:
        return
    lacks = f'{info.workflow_type} had no event handler "{event_name}" when its workers were last'
    lacks += f" asked; it had {_listed(info.event_names)}"
    if _is_known(info, event_name):
        say(f"{lacks}. An earlier version had one: the event waits until a worker has it again.")
    else:
        say(f"{lacks}. The event is rejected in its turn unless a worker has one by then.")


def _note_a_later_wait(info: "RunInfo", event_name: str) -> None:
    """Write to standard error that the present wait does not take the event, if that is so."""
    awaited = info.wait.events if info.wait else None
    if awaited is None or event_name in awaited or event_name not in info.event_names:
        return
    waits = f"waits for {_listed(awaited)}" if awaited else "waits for no event"
    say(f'{info.workflow_id} {waits} now; "{event_name}" keeps its place for a later wait')


def _sent_text(sent: "SentEvent") -> str:
    return f"Sent {printable(sent.event_name)} to {sent.workflow_id} as {sent.name}"


def _data_of(sent: "SentEvent", status: "EventStatus | None" = None) -> dict[str, Any]:
    data = {
        "name": sent.name,
        "namespace": sent.namespace,
        "uid": sent.uid,
        "workflowId": sent.workflow_id,
        "eventName": sent.event_name,
    }
    return data | (status.to_json() if status else {})


async def _show_settled(
    sent: "SentEvent", news: News, limit: timedelta | None, output: Format
) -> None:
    """Print the final status of the event. The exit code is 1 if no handler has processed it."""
    from grctl.models import EventPhase

    text = f"Event {sent.name} goes on waiting: grctl describe {sent.workflow_id} shows it."
    status = await wait_with_news(sent.settled(limit), text, news)
    outcome = f"{status.phase}: {printable(status.message or status.reason or '')}"
    processed = status.phase is EventPhase.PROCESSED
    if processed or output is not Format.TEXT:
        report(outcome, _data_of(sent, status), output)
    if not processed:
        fail(outcome)
