"""A stand-in for the operator: it writes the statuses that clients read."""

import asyncio
from typing import Any

from grctl.client.access import Access, Json
from grctl.kube import EVENTS, RUNS, Api, Resource


class StubOperator:
    """Reads and writes runs and events in one namespace, as an operator does."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self._access = Access(api, namespace)

    async def run(self, name: str) -> Json:
        return await self.api.get(RUNS.path(self.namespace, name))

    async def event(self, name: str) -> Json:
        return await self.api.get(EVENTS.path(self.namespace, name))

    async def events(self) -> list[Json]:
        answer = await self.api.get(EVENTS.path(self.namespace))
        items: list[Json] = answer["items"]
        return items

    async def runs(self) -> list[Json]:
        items: list[Json] = (await self.api.get(RUNS.path(self.namespace)))["items"]
        return items

    async def set_status(self, resource: Resource, name: str, **status: Any) -> None:
        body = await self.api.get(resource.path(self.namespace, name))
        body["status"] = {"observedGeneration": 1, **status}
        await self.api.replace(resource.path(self.namespace, name, "status"), body)

    async def finish(self, name: str, phase: str = "Completed", **status: Any) -> None:
        await self.set_status(RUNS, name, phase=phase, **status)

    async def wait_for_run(self, name: str) -> None:
        async with asyncio.timeout(60):
            await self._access.follow(RUNS, name, lambda run: True if run else None)

    async def release(self, name: str) -> None:
        """Wait until the run is deleted, and remove its finalizer."""

        def is_deleted(run: Json | None) -> bool | None:
            return True if run and "deletionTimestamp" in run["metadata"] else None

        async with asyncio.timeout(60):
            await self._access.follow(RUNS, name, is_deleted)
        await self._remove_finalizer(name)

    async def release_all(self) -> None:
        for run in await self.runs():
            await self._remove_finalizer(run["metadata"]["name"])

    async def _remove_finalizer(self, name: str) -> None:
        path = RUNS.path(self.namespace, name)
        await self.api.merge(path, {"metadata": {"finalizers": None}})
