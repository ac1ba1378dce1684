"""The floor: the three bare writes of an event, by the same client, and nothing else.

The writes of handled events are repeated with the same sizes: a create, a PUT of a run's status and
a PUT of the event's status. So the floor is what the API server, its etcd and a client of this kind
need for an event that is handled by three writes.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.testbed import Testbed
from grctl.kube import EVENTS, RUNS, Api

Json = dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """The objects to write: a run and a settled event, as the API server shows them."""

    run: Json
    event: Json

    @property
    def run_bytes(self) -> int:
        """The size of the run as it is stored, as far as the API server shows it."""
        return len(orjson.dumps(self.run))

    @property
    def event_bytes(self) -> int:
        """The size of the event as it is stored, as far as the API server shows it."""
        return len(orjson.dumps(self.event))


@dataclass(frozen=True)
class Floor:
    """The cost of the three writes of an event."""

    events: int
    rate: float
    """events/s"""
    server: float
    """CPU-ms an event, of the API server and its etcd"""
    client: float
    """CPU-ms an event"""

    @property
    def total(self) -> float:
        """CPU-ms an event, of all."""
        return self.server + self.client


async def pattern(testbed: Testbed, run: str) -> Pattern:
    """Return a run whose events are settled, and one of these events, as the pattern."""
    fields = f"spec.workflowId={run},status.phase=Processed"
    params = {"fieldSelector": fields, "limit": "1"}
    events = await testbed.api.get(EVENTS.path(testbed.namespace), params)
    return Pattern(
        await testbed.api.get(RUNS.path(testbed.namespace, run)),
        {"kind": "WorkflowEvent", "apiVersion": "grctl.dev/v1alpha1", **events["items"][0]},
    )


async def floor(testbed: Testbed, like: Pattern, runs: int, each: int, pause: float = 0.0) -> Floor:
    """Write `each` events of each of several runs, all runs at the same time.

    Args:
        testbed: Where: a namespace of its own.
        like: The pattern of the objects.
        runs: The number of runs, which is also the number of concurrent writes.
        each: The number of events of each run.
        pause: Seconds between the last write of an event and the first write of the next. A
            processor that rests between two requests uses more time for each of them.
    """
    written = [await _create_run(testbed, like, number) for number in range(runs)]
    before = testbed.api_server.cpu(), time.process_time(), time.monotonic()
    await asyncio.gather(*(_write_events(testbed, like, run, each, pause) for run in written))
    after = testbed.api_server.cpu(), time.process_time(), time.monotonic()
    events = runs * each
    server, client, took = (then - now for now, then in zip(before, after, strict=True))
    return Floor(events, events / took, server / events, client * 1000 / events)


async def _create_run(testbed: Testbed, like: Pattern, number: int) -> Json:
    finalizers = like.run["metadata"].get("finalizers", [])
    body = {**like.run, "metadata": {"name": f"floor-{number}", "finalizers": finalizers}}
    return await testbed.api.create(RUNS.path(testbed.namespace), body)


async def _write_events(
    testbed: Testbed, like: Pattern, run: Json, each: int, pause: float
) -> None:
    for number in range(each):
        name = f"{run['metadata']['name']}-{number:04}"
        body = {**like.event, "metadata": {"name": name}}
        body.pop("status")
        event = await testbed.api.create(EVENTS.path(testbed.namespace), body)
        status = {**like.run["status"], "commits": number + 1}
        run = await write_status(testbed.api, RUNS.path(testbed.namespace), run, status)
        await write_status(testbed.api, EVENTS.path(testbed.namespace), event, like.event["status"])
        if pause:
            await asyncio.sleep(pause)


async def write_status(api: Api, collection: str, item: Json, status: Json) -> Json:
    """Write a status as the operator does: with uid and resourceVersion, without the spec."""
    metadata = item["metadata"]
    named = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    body = {**item, "metadata": named, "status": status}
    body.pop("spec")
    return await api.replace(f"{collection}/{metadata['name']}/status", body)
