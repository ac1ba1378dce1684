"""Runs and events as the operator writes them, in each phase that a GitOps tool may see."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from examples import orders
from grctl.kube import EVENTS, RUNS
from grctl.models import RunPhase
from tests.examples.conftest import STATE_DEADLINE_S, Stage, staged

Json = dict[str, Any]


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """Real objects by their state: `waiting`, `completed`, ..., `rejected event`."""
    return asyncio.run(_find(tmp_path_factory.mktemp("gitops")))


async def _find(directory: Path) -> dict[str, Json]:
    async with staged(directory, orders.order) as stage:
        await _start(stage, "pending", workflow_type="Nobody")
        await _start(stage, "failed", workflow_input={"wrong": 1})
        for name in ("waiting", "completed", "cancelled", "terminated"):
            await _start(stage, name)
        await _bring_into_states(stage)
        runs = {name: await stage.api.get(RUNS.path("default", name)) for name in PHASES}
        events = {
            f"{each['metadata']['name']} event": each
            for each in (await stage.api.get(EVENTS.path("default")))["items"]
        }
    return runs | events | {"held": held(runs["waiting"])}


def held(run: Json) -> Json:
    """Return a run as it is when its handler failed for good and is to be tried again by hand."""
    made = deepcopy(run)
    message = (
        f"approve failed 4 times. Mend the cause, then: grctl retry {run['metadata']['name']}."
    )
    stall = {"reason": "HandlerFailed", "message": message, "since": "2026-11-28T12:00:00Z"}
    step = {"name": "approve", "kind": "event", "failures": 4, "since": "2026-11-28T12:00:00Z"}
    made["status"] |= {"message": message, "step": {**step, "stall": stall}}
    made["status"]["conditions"].append(
        {"type": "Stalled", "status": "True", "reason": "HandlerFailed"}
    )
    return made


PHASES = {
    "pending": RunPhase.PENDING,
    "failed": RunPhase.FAILED,
    "waiting": RunPhase.WAIT_EVENT,
    "completed": RunPhase.COMPLETED,
    "cancelled": RunPhase.CANCELLED,
    "terminated": RunPhase.TERMINATED,
}


async def _bring_into_states(stage: Stage) -> None:
    """Bring each run and each event into the state that its name says."""
    client = stage.client
    await client.send(workflow_id="completed", event_name="approve", name="processed")
    await client.send(workflow_id="waiting", event_name="aprove", name="rejected")
    await client.send(workflow_id="nobody-yet", event_name="approve", name="pending")
    for name, end in (("cancelled", "cancel"), ("terminated", "terminate")):
        handle = await client.get_workflow_handle(workflow_id=name)
        await getattr(handle, end)()
    for name, phase in PHASES.items():
        await _until(stage, RUNS.path("default", name), partial(_is_in_phase, phase))
    for name, word in (("processed", "Processed"), ("rejected", "Rejected")):
        await _until(stage, EVENTS.path("default", name), partial(_is_settled, word))


def _is_settled(phase: str, event: Json) -> bool:
    return bool(event["status"]["phase"] == phase)


def _is_in_phase(phase: str, item: Json) -> bool:
    """Return whether a run is in a phase and its status is complete."""
    status: Json = item["status"]
    seen = status["observedGeneration"] == item["metadata"]["generation"]
    return seen and status.get("phase", "Pending") == phase and "message" in status


async def _until(stage: Stage, path: str, holds: Callable[[Json], bool]) -> None:
    async with asyncio.timeout(STATE_DEADLINE_S):
        while not holds(await stage.api.get(path)):  # noqa: ASYNC110  the server is local
            await asyncio.sleep(0.02)


async def _start(stage: Stage, name: str, **more: Any) -> None:
    order = {"workflow_type": "ProcessOrder", "workflow_input": {"order_id": name}}
    await stage.client.start_workflow(workflow_id=name, **(order | more))
