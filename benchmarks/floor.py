"""The floor: the three bare writes of an event, by the same client, with nothing else going on.

What was written when events were handled is written again, with the same sizes: a create, a PUT of
a run's status and a PUT of the event's status. So it says what the API server, its etcd and any
client of this kind need for an event that is handled by three writes.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.stand import Stand
from grctl.kube import EVENTS, RUNS, Api

Json = dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """What was written: a run and a settled event, as the API server shows them."""

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
    """What the three writes of an event cost."""

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


async def pattern(stand: Stand, run: str) -> Pattern:
    """Take a run whose events are settled, and one of these, for a pattern."""
    fields = f"spec.workflowId={run},status.phase=Processed"
    params = {"fieldSelector": fields, "limit": "1"}
    events = await stand.api.get(EVENTS.path(stand.namespace), params)
    return Pattern(
        await stand.api.get(RUNS.path(stand.namespace, run)),
        {"kind": "WorkflowEvent", "apiVersion": "grctl.dev/v1alpha1", **events["items"][0]},
    )


async def floor(stand: Stand, like: Pattern, runs: int, each: int, pause: float = 0.0) -> Floor:
    """Write so many events of each of several runs, all runs at the same time.

    Args:
        stand: Where: a namespace of its own.
        like: What is written.
        runs: How many runs there are, and so many writes are under way at once.
        each: Events for each of them.
        pause: Seconds between the last write of an event and the first one of the next: a processor
            that rests between two requests uses more for each of them.
    """
    written = [await _create_run(stand, like, number) for number in range(runs)]
    before = stand.api_server.cpu(), time.process_time(), time.monotonic()
    await asyncio.gather(*(_write_events(stand, like, run, each, pause) for run in written))
    after = stand.api_server.cpu(), time.process_time(), time.monotonic()
    events = runs * each
    server, client, took = (then - now for now, then in zip(before, after, strict=True))
    return Floor(events, events / took, server / events, client * 1000 / events)


async def _create_run(stand: Stand, like: Pattern, number: int) -> Json:
    finalizers = like.run["metadata"].get("finalizers", [])
    body = {**like.run, "metadata": {"name": f"floor-{number}", "finalizers": finalizers}}
    return await stand.api.create(RUNS.path(stand.namespace), body)


async def _write_events(stand: Stand, like: Pattern, run: Json, each: int, pause: float) -> None:
    for number in range(each):
        name = f"{run['metadata']['name']}-{number:04}"
        body = {**like.event, "metadata": {"name": name}}
        body.pop("status")
        event = await stand.api.create(EVENTS.path(stand.namespace), body)
        status = {**like.run["status"], "commits": number + 1}
        run = await put_status(stand.api, RUNS.path(stand.namespace), run, status)
        await put_status(stand.api, EVENTS.path(stand.namespace), event, like.event["status"])
        if pause:
            await asyncio.sleep(pause)


async def put_status(api: Api, collection: str, item: Json, status: Json) -> Json:
    """Write a status as the operator does: uid and version, and no spec."""
    metadata = item["metadata"]
    named = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    body = {**item, "metadata": named, "status": status}
    body.pop("spec")
    return await api.replace(f"{collection}/{metadata['name']}/status", body)
