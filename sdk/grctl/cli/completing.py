"""What the shell offers at TAB: ids, workflow types and event names, as the API has them.

1. A person waits at the prompt: what does not come within a moment is not offered.
2. Nothing is said, whatever goes wrong: it would be written into the command line.
3. Names come from others and are written into a command line: one that a shell would read as more
   than a word, as `$(reboot)`, is not offered.
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

PATIENCE = 3.0  # s: for the API and for what its credentials take; it mostly needs a tenth of one

WORD = re.compile(r"[\w@%+=:,./-]+")
"""What a shell takes for one word as it stands."""

Look = Callable[["Api", str], Awaitable[Iterable[str]]]
"""Looks into a namespace and gives what might be meant."""


def all_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the ids of all runs."""
    return _offer(context, incomplete, lambda api, space: _column(api, space, "Name"))


def active_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the ids of the runs that are not finished."""
    from grctl.models.phases import FINISHED

    active = ",".join(f"status.phase!={phase.value}" for phase in sorted(FINISHED))
    return _offer(context, incomplete, lambda api, space: _column(api, space, "Name", active))


def workflow_types(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the types that runs have."""
    return _offer(context, incomplete, lambda api, space: _column(api, space, "Workflow"))


def phases(incomplete: str) -> list[str]:
    """Offer the phases of a run."""
    from grctl.models import RunPhase

    return [each.value for each in RunPhase if each.startswith(incomplete)]


def event_names(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the events that the workflow of the run before it handles."""
    from grctl.kube import RUNS

    async def names(api: "Api", namespace: str) -> Iterable[str]:
        run = await api.get(RUNS.path(namespace, context.params["workflow_id"]))
        known: list[str] = run["status"].get("eventNames", [])
        return known

    return _offer(context, incomplete, names)


def _offer(context: typer.Context, incomplete: str, look: Look) -> list[str]:
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found = asyncio.run(_look(context.params, look))
    except Exception:  # noqa: BLE001  rule 2
        return []
    return sorted({each for each in found if each.startswith(incomplete) and WORD.fullmatch(each)})


async def _look(params: dict[str, Any], look: Look) -> Iterable[str]:
    from grctl.kube import Api, Connection

    async with asyncio.timeout(PATIENCE):
        connection = await Connection.find(params.get("kubeconfig"), params.get("context"))
        async with Api(connection, user_agent="grctl-completion") as api:
            return await look(api, params.get("namespace") or api.namespace)


async def _column(api: "Api", namespace: str, name: str, selector: str = "") -> Iterable[str]:
    """Give a printer column of the runs: much less than the runs themselves."""
    from grctl.kube import RUNS

    rows = await api.table(RUNS.path(namespace), {"fieldSelector": selector})
    return [row[name] for row in rows]
