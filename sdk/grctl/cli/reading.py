"""The runs and events that commands read from the API beyond those of a handle."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from grctl.cli.failing import say
from grctl.cli.unreadable import event_from, run_from
from grctl.client.access import Access, limits_of
from grctl.client.client import Client, run_not_found
from grctl.client.errors import UnreadableObjectError, WorkflowError
from grctl.client.handle import WorkflowHandle
from grctl.client.names import check_name, check_namespace
from grctl.kube import EVENTS, RUNS, Api, ApiError, Connection, UnreachableError
from grctl.models import RunInfo, WorkflowEvent, WorkflowRun


@asynccontextmanager
async def open_access(
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    request_timeout: float | None = None,
    *,
    everywhere: bool = False,
) -> AsyncIterator[Access]:
    """Open the API, in one namespace (None: the context's) or in all of them."""
    connection = await Connection.find(kubeconfig, context)
    chosen = "" if everywhere else namespace or connection.namespace
    if chosen:
        check_namespace(chosen)
    timeout, retry_period = limits_of(request_timeout)
    async with Api(connection, user_agent="grctl-cli", request_timeout=timeout) as api:
        yield Access(api, chosen, retry_period=retry_period)


def access_of(client: Client) -> Access:
    """Return the access of an open client."""
    return client._access  # noqa: SLF001  of the same distribution, and not public


async def read_back(handle: WorkflowHandle, done: str) -> RunInfo | None:
    """Return the state of a run after a command has changed it; None if it cannot be read.

    Standard error then says what was done, and why the run cannot be read. The command does not
    fail, because it has done what was asked.

    Args:
        handle: The run.
        done: What the command did.
    """
    try:
        return await handle.describe()
    except UnreadableObjectError as error:
        why = error.problem
    except (ApiError, UnreachableError, WorkflowError) as error:
        why = str(error)
    say(f"{done}; how it stands now cannot be read: {why}")
    return None


async def find_run(access: Access, workflow_id: str) -> tuple[WorkflowRun, list[WorkflowEvent]]:
    """Return the present run of an id, and the events of that id in order.

    Raises:
        InvalidNameError: the id is not a valid name.
        WorkflowNotFoundError: there is none; the message says how many events wait for it.
    """
    check_name(workflow_id, "workflow_id")
    run = await access.read(RUNS, workflow_id)
    events = await find_events(access, workflow_id)
    if run is None:
        waiting = sum(not event.status.phase.settled for event in events)
        raise run_not_found(workflow_id, access.namespace, waiting)
    return run_from(run), events


async def find_runs(access: Access, fields: Mapping[str, str]) -> list[WorkflowRun]:
    """Return the runs whose fields have these values, by namespace and id."""
    runs = map(run_from, await access.select(RUNS, fields))
    return sorted(runs, key=lambda run: (run.metadata.namespace, run.metadata.name))


async def find_events(access: Access, workflow_id: str) -> list[WorkflowEvent]:
    """Return the events of an id: settled ones by sequence, then waiting ones in their order."""
    events = await access.select(EVENTS, {"spec.workflowId": workflow_id})
    return sorted(map(event_from, events), key=_order)


def _order(event: WorkflowEvent) -> tuple[bool, int, int]:
    sequence, place = event.status.sequence, event.status.place
    arrival = place or int(event.metadata.resource_version or 0)
    return sequence is None, sequence or 0, arrival
