"""What the scenarios of durable handlers do and wait for."""

from typing import Any

from grctl.client import WorkflowHandle
from grctl.models import WorkflowRun
from tests.lab.lab import Lab
from tests.lab.waiting import eventually

ACT_IN = {
    "start": "",
    "event": "act",
    "step": "act_in_step",
    "timeout step": "act_in_timeout_step",
}
"""The event that runs a body in a handler of a kind; a start handler needs none."""


async def start_run(lab: Lab, body: str = "") -> WorkflowHandle:
    """Start the run `a`, whose start handler runs a body if there is one."""
    given = {"body": body} if body else None
    return await lab.client.start_workflow(
        workflow_type="Durable", workflow_id="a", workflow_input=given
    )


async def act(lab: Lab, body: str, event: str = "act") -> WorkflowHandle:
    """Start the run `a`, and run a body in the handler of an event, or in the start handler."""
    handle = await start_run(lab, "" if event else body)
    if event:
        await handle.send(event, body)
    return handle


async def until_begun(lab: Lab, name: str, times: int = 1) -> None:
    """Wait until so many calls of a name have begun."""
    await eventually(lambda: lab.service.begun[name] >= times, f"{name} is called {times} times")


async def until_ended(lab: Lab, name: str, times: int = 1) -> None:
    """Wait until so many calls of a name have ended."""
    await eventually(lambda: lab.service.ended[name] >= times, f"{name} has ended {times} times")


async def until_recorded(lab: Lab, count: int) -> WorkflowRun:
    """Wait until the journal of the run holds so many entries."""
    return await lab.until_run("a", lambda run: len(entries_of(run)) >= count)


def entries_of(run: WorkflowRun) -> dict[str, Any]:
    """Return the entries of a run's journal."""
    entries: dict[str, Any] = (run.status.journal or {}).get("entries") or {}
    return entries


async def result(lab: Lab) -> Any:
    """Wait until the body is committed, and return what it returned."""
    run = await lab.until_run("a", lambda run: "result" in run.status.store)
    assert run.status.journal is None, "the commit removes the journal"
    return run.status.store["result"]


async def until_held(lab: Lab) -> WorkflowRun:
    """Wait until the run is held, and return it."""
    return await lab.until_run("a", lambda run: bool(run.status.step and run.status.step.stall))
