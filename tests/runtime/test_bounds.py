"""What the API server refuses of our resources, and with which words: it holds the bounds."""

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from grctl.kube import CRDS, EVENTS, RUNS, InvalidError
from grctl.models.crds import run_crd
from grctl.models.directive import WaitForEvent
from tests.runtime.conftest import PATIENCE, Cluster, Json
from tests.runtime.test_desired import served

LONG_NAME = "n" * 254
TIMEOUT_RANGE = "a timeout is at least 1ms and at most 876000h (100 years)"


async def refusal_of_run(cluster: Cluster, **spec: Any) -> str:
    desired = spec.pop("desired", {})
    with pytest.raises(InvalidError) as refused:
        await cluster.start("order", desired=desired, **spec)
    return refused.value.message


async def with_status(cluster: Cluster, path: str, status: Json) -> Json:
    return await cluster.api.merge(f"{path}/status", {"status": status})


@pytest.mark.parametrize(
    "length", ["0s", "0h0m0s", "0.0ms", "0.5ms", "876001h", "2600000h", "99999999999h"]
)
async def test_a_timeout_that_is_out_of_range_is_refused_with_the_range(
    cluster: Cluster, length: str
) -> None:
    refused = await refusal_of_run(cluster, timeout=length)

    assert "spec.workflow.timeout" in refused
    assert TIMEOUT_RANGE in refused


@pytest.mark.parametrize("length", ["-1s", "+1s", "1d", "1us", "", "1 h", "0" * 32 + "1s"])
async def test_a_timeout_that_is_not_a_duration_is_refused(cluster: Cluster, length: str) -> None:
    assert "spec.workflow.timeout" in await refusal_of_run(cluster, timeout=length)


@pytest.mark.parametrize(
    "length", ["1ms", "1h30m", "1.5h", "90s", "9m9m", "876000h", "0h1ms", "31536000s"]
)
async def test_a_timeout_in_range_is_taken(cluster: Cluster, length: str) -> None:
    await cluster.start("order", timeout=length, held=False)


@pytest.mark.parametrize(
    "desired",
    [
        {"ttlSecondsAfterFinished": -1},
        {"ttlSecondsAfterFinished": 2**31},
        {"ttlSecondsAfterFinished": 1.5},
        {"keepEvents": -1},
        {"keepEvents": 2**31},
        {"keepEvents": 1e30},
    ],
)
async def test_a_number_that_is_out_of_range_is_refused(cluster: Cluster, desired: Json) -> None:
    assert f"spec.{next(iter(desired))}" in await refusal_of_run(cluster, desired=desired)


@pytest.mark.parametrize(
    "status",
    [
        {"message": "m" * 8193},
        {"commits": -1},
        {"commits": 2**60},
        {"lastExecution": LONG_NAME},
        {"step": {"name": LONG_NAME}},
        {"wait": {"timeoutStep": LONG_NAME}},
        {"wait": {"deadline": "tomorrow"}},
        {"eventNames": ["a"] * 1001},
        {"eventNames": [LONG_NAME]},
        {"events": {"processed": -1}},
        {"error": {"stackTrace": "t" * 32769}},
        {"forUID": LONG_NAME},
        {"phase": "Happy"},
        {"store": [1]},
    ],
    ids=lambda status: next(iter(status)),
)
async def test_a_status_that_is_out_of_bounds_is_refused(cluster: Cluster, status: Json) -> None:
    await cluster.start("order", held=False)

    with pytest.raises(InvalidError, match=f"status.{next(iter(status))}"):
        await with_status(cluster, RUNS.path(cluster.namespace, "order"), status)


@pytest.mark.parametrize(
    "status",
    [{"message": "m" * 8193}, {"place": -1}, {"sequence": 2**60}, {"runUid": LONG_NAME}],
    ids=lambda status: next(iter(status)),
)
async def test_the_status_of_an_event_has_bounds(cluster: Cluster, status: Json) -> None:
    event = await cluster.send("order", "approve")

    path = EVENTS.path(cluster.namespace, event["metadata"]["name"])
    with pytest.raises(InvalidError, match=f"status.{next(iter(status))}"):
        await with_status(cluster, path, status)


async def test_the_uid_that_an_event_names_has_a_bound(cluster: Cluster) -> None:
    with pytest.raises(InvalidError, match=r"spec\.runUid"):
        await cluster.send("order", "approve", runUid=LONG_NAME)


BOUNDS = {"maxLength", "pattern", "maximum", "minimum", "x-kubernetes-validations"}
BEFORE = ["99999999999h", "0s", "876001h", "1m1h", "1h" + "0h" * 50, "9" * 60 + "s"]


def without_bounds(schema: Any) -> Any:
    """Return a schema as a version before the bounds had it."""
    if isinstance(schema, list):
        return [without_bounds(each) for each in schema]
    if isinstance(schema, dict):
        return {key: without_bounds(each) for key, each in schema.items() if key not in BOUNDS}
    return schema


@asynccontextmanager
async def before_the_bounds(cluster: Cluster) -> AsyncIterator[None]:
    """Store through the API server what an earlier version of the definition let through."""
    crd = run_crd()
    earlier = copy.deepcopy(crd)
    (version,) = earlier["spec"]["versions"]
    version["schema"] = without_bounds(version["schema"])
    await define(cluster, earlier)
    await until_taken(cluster)
    try:
        yield
    finally:
        await define(cluster, crd)
    await until_refused(cluster)


async def define(cluster: Cluster, crd: Json) -> None:
    path = CRDS.path(name=crd["metadata"]["name"])
    await cluster.api.merge(path, {"spec": crd["spec"]})


async def is_taken(cluster: Cluster) -> bool:
    workflow = {"type": "Order", "timeout": BEFORE[0]}
    body = {"metadata": {"name": "tried"}, "spec": {"workflow": workflow}}
    kind = {"apiVersion": "grctl.dev/v1alpha1", "kind": "WorkflowRun"}
    try:
        await cluster.api.create(RUNS.path(cluster.namespace), kind | body, {"dryRun": "All"})
    except InvalidError:
        return False
    return True


async def until_taken(cluster: Cluster) -> None:
    # What a definition enforces cannot be watched.
    async with asyncio.timeout(PATIENCE):
        while not await is_taken(cluster):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_refused(cluster: Cluster) -> None:
    async with asyncio.timeout(PATIENCE):
        while await is_taken(cluster):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_runs_from_before_the_bounds_start_and_are_ended_and_deleted(
    cluster: Cluster,
) -> None:
    timeouts = {f"order-{number}": timeout for number, timeout in enumerate(BEFORE)}
    async with before_the_bounds(cluster):
        for name, timeout in timeouts.items():
            await cluster.start(name, timeout=timeout)

    async with served(cluster) as (_, worker):
        starting = {name for name, timeout in timeouts.items() if timeout != "0s"}
        while starting:  # the other one may begin, in the second of its creation
            execute = await worker.executes()
            await worker.succeeds(execute, WaitForEvent())
            starting.discard(execute.execution.workflow_id)
        for name, timeout in timeouts.items():
            await cluster.until_phase(name, "TimedOut" if timeout == "0s" else "WaitEvent")
            await cluster.desire(name, terminate=True)
            await cluster.until_phase(name, "TimedOut" if timeout == "0s" else "Terminated")
            await cluster.delete_run(name)
            await cluster.until_gone(RUNS, name)


async def test_a_value_from_before_the_bounds_does_not_lock_its_run(cluster: Cluster) -> None:
    async with before_the_bounds(cluster):
        await cluster.start("order", desired={"keepEvents": 2**40, "ttlSecondsAfterFinished": -1})

    await cluster.desire("order", terminate=True)
    async with served(cluster):
        await cluster.until_phase("order", "Terminated")
        await cluster.delete_run("order")
        await cluster.until_gone(RUNS, "order")
