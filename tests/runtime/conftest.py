"""One API server and, for each test, a namespace of its own in it."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from grctl.kube import (
    CORE_EVENTS,
    CRDS,
    EVENTS,
    RUNS,
    AlreadyExistsError,
    Api,
    Connection,
    Resource,
)
from grctl.models import API_VERSION, FINALIZER, GROUP
from grctl.models.crds import all_crds

PATIENCE = 60.0  # s: for one state to come; most come within milliseconds
NAMESPACES = Resource("/api/v1", "namespaces")

Json = dict[str, Any]


@pytest.fixture
async def api_server() -> AsyncIterator[str]:
    """The path of a kubeconfig: of $KUBECONFIG's API server, or of an embedded one."""
    if kubeconfig := os.environ.get("KUBECONFIG"):
        yield kubeconfig
        return
    from grctl_local import LocalServer

    async with LocalServer() as server:
        yield str(server.kubeconfig_path)


class Cluster:
    """What a test does as a person with kubectl would."""

    def __init__(self, api: Api, namespace: str, kubeconfig: str) -> None:
        self.api = api
        self.namespace = namespace
        self.kubeconfig = kubeconfig

    async def start(
        self,
        name: str,
        workflow_type: str = "Order",
        desired: Mapping[str, Any] | None = None,
        *,
        held: bool = True,
        **spec: Any,
    ) -> Json:
        body = {
            "apiVersion": API_VERSION,
            "kind": "WorkflowRun",
            "metadata": {"name": name, "finalizers": [FINALIZER] if held else []},
            "spec": {"workflow": {"type": workflow_type, **spec}, **(desired or {})},
        }
        return await self.api.create(RUNS.path(self.namespace), body)

    async def send(
        self, run: str, event_name: str, payload: Any = None, name: str | None = None, **spec: Any
    ) -> Json:
        body = {
            "apiVersion": API_VERSION,
            "kind": "WorkflowEvent",
            "metadata": {"name": name or f"{event_name}-{secrets.token_hex(3)}"},
            "spec": {"workflowId": run, "eventName": event_name, "payload": payload, **spec},
        }
        return await self.api.create(EVENTS.path(self.namespace), body)

    async def desire(self, name: str, **desired: Any) -> Json:
        """Change what is beside `workflow` in a run's spec."""
        return await self.api.merge(RUNS.path(self.namespace, name), {"spec": desired})

    async def delete_run(self, name: str) -> None:
        await self.api.delete(RUNS.path(self.namespace, name))

    async def run(self, name: str) -> Json:
        return await self.api.get(RUNS.path(self.namespace, name))

    async def events(self, resource: Resource = EVENTS) -> list[Json]:
        items: list[Json] = (await self.api.get(resource.path(self.namespace)))["items"]
        return items

    async def until_run(self, name: str, holds: Callable[[Json], bool]) -> Json:
        return await self._until(RUNS, name, holds)

    async def until_phase(self, name: str, phase: str) -> Json:
        return await self.until_run(name, lambda run: run["status"].get("phase") == phase)

    async def until_settled(self, event: Json) -> Json:
        def settled(item: Json) -> bool:
            return bool(item.get("status", {}).get("phase", "Pending") != "Pending")

        return await self._until(EVENTS, event["metadata"]["name"], settled)

    async def until_gone(self, resource: Resource, name: str) -> None:
        await self._until(resource, name, lambda item: "gone" in item)

    async def until_core_event(self, uid: str, reason: str | None = None) -> Json:
        params = {"fieldSelector": f"involvedObject.uid={uid}"}
        async with asyncio.timeout(PATIENCE):
            async for item in self.versions(CORE_EVENTS.path(self.namespace), params):
                if "gone" not in item and reason in {None, item["reason"]}:
                    return item
        raise AssertionError("unreachable")

    async def _until(self, resource: Resource, name: str, holds: Callable[[Json], bool]) -> Json:
        path, selector = resource.path(self.namespace), f"metadata.name={name}"
        last: Json = {}
        try:
            async with asyncio.timeout(PATIENCE):
                async for last in self.versions(path, {"fieldSelector": selector}):
                    if holds(last):
                        return last
        except TimeoutError:
            pytest.fail(f"{name} stayed {last}")
        raise AssertionError("unreachable")

    async def versions(self, path: str, params: dict[str, str]) -> AsyncIterator[Json]:
        listed = await self.api.get(path, params)
        for item in listed["items"]:
            yield item
        if not listed["items"]:
            yield {"gone": True}
        params = params | {"resourceVersion": listed["metadata"]["resourceVersion"]}
        async for change in self.api.watch(path, params):
            yield {"gone": True} if change["type"] == "DELETED" else change["object"]


@pytest.fixture
async def cluster(api_server: str) -> AsyncIterator[Cluster]:
    namespace = f"runtime-{secrets.token_hex(4)}"
    async with Api(await Connection.find(api_server)) as api:
        await _install_crds(api)
        await api.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
        try:
            yield Cluster(api, namespace, api_server)
        finally:
            await _empty(api, namespace)


async def _install_crds(api: Api) -> None:
    for crd in all_crds():
        with contextlib.suppress(AlreadyExistsError):
            await api.create(CRDS.path(), crd)
    async with asyncio.timeout(PATIENCE):
        # Discovery cannot be watched.
        while GROUP not in {each["name"] for each in (await api.get("/apis"))["groups"]}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _empty(api: Api, namespace: str) -> None:
    """Remove everything, also runs that no operator will let go any more."""
    for item in (await api.get(RUNS.path(namespace)))["items"]:
        path = RUNS.path(namespace, item["metadata"]["name"])
        await api.merge(path, {"metadata": {"finalizers": None}})
    await api.delete(RUNS.path(namespace))
    await api.delete(EVENTS.path(namespace))
    await api.delete(NAMESPACES.path(name=namespace))
