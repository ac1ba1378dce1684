"""What the shell offers at TAB: ids, workflow types and event names, as the API has them.

1. A person waits at the prompt: an answer that takes longer than a moment is not offered.
2. Errors are not shown: their text would be written into the command line.
3. Names come from other people and are written into a command line. A name that a shell would read
   as more than a word, such as `$(reboot)`, is not offered.
"""

import asyncio
import contextlib
import io
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from grctl.kube import Api

COMPLETION_TIMEOUT_S = 3.0  # for the API and its credentials, which mostly take 0.1 s

WORD = re.compile(r"[\w@%+=:,./-]+")
"""A text that a shell reads as one word without quotes."""

FindNames = Callable[["Api", str], Awaitable[Iterable[str]]]
"""Returns the names in a namespace that may be offered."""


def all_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the ids of all runs."""
    return _offer(context, incomplete, lambda api, space: _column(api, space, "Name"))


def active_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the ids of the runs that are not finished."""
    from grctl.models.phases import FINISHED

    active = ",".join(f"status.phase!={phase.value}" for phase in sorted(FINISHED))
    return _offer(context, incomplete, lambda api, space: _column(api, space, "Name", active))


def held_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the ids of the runs that are held or, if none is, of those that are not finished."""

    async def names(api: "Api", namespace: str) -> Iterable[str]:
        from grctl.kube import RUNS

        rows = await api.table(RUNS.path(namespace))
        return [row["Name"] for row in rows if row["Held"]]

    return _offer(context, incomplete, names) or active_ids(context, incomplete)


def workflow_types(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the workflow types of all runs."""
    return _offer(context, incomplete, lambda api, space: _column(api, space, "Workflow"))


def phases(incomplete: str) -> list[str]:
    """Offer the phases of a run."""
    from grctl.models import RunPhase

    return [each.value for each in RunPhase if each.startswith(incomplete)]


def event_names(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the event names that the workflow of the given run handles."""
    from grctl.kube import RUNS

    async def names(api: "Api", namespace: str) -> Iterable[str]:
        run = await api.get(RUNS.path(namespace, context.params["workflow_id"]))
        known: list[str] = run["status"].get("eventNames", [])
        return known

    return _offer(context, incomplete, names)


def _offer(context: typer.Context, incomplete: str, query: FindNames) -> list[str]:
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found = asyncio.run(_ask(context.params, query))
    except Exception:  # noqa: BLE001  errors are not shown
        return []
    return sorted({each for each in found if each.startswith(incomplete) and WORD.fullmatch(each)})


async def _ask(params: dict[str, Any], query: FindNames) -> Iterable[str]:
    from grctl.kube import Api, Connection

    async with asyncio.timeout(COMPLETION_TIMEOUT_S):
        connection = await Connection.find(params.get("kubeconfig"), params.get("context"))
        async with Api(connection, user_agent="grctl-completion") as api:
            return await query(api, params.get("namespace") or api.namespace)


async def _column(api: "Api", namespace: str, name: str, selector: str = "") -> Iterable[str]:
    """Return a printer column of the runs, which is much smaller than the runs themselves."""
    from grctl.kube import RUNS

    rows = await api.table(RUNS.path(namespace), {"fieldSelector": selector})
    return [row[name] for row in rows]
