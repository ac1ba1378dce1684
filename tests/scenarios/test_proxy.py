"""The proxy breaks what it is told to, and nothing else."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from grctl.kube import EVENTS, Api, ApiError, ConflictError, Connection, UnreachableError
from grctl.models import API_VERSION
from tests.conformance.kubectl import Kubectl
from tests.lab.lab import Lab
from tests.scenarios.proxy import Asked, Fault, Proxy

Json = dict[str, Any]


@pytest.fixture
async def proxy(lab: Lab) -> AsyncIterator[Proxy]:
    async with Proxy(lab.kubeconfig, lab.directory) as proxy:
        yield proxy


@pytest.fixture
async def api(proxy: Proxy) -> AsyncIterator[Api]:
    async with Api(await Connection.find(proxy.kubeconfig)) as api:
        yield api


def event(lab: Lab, name: str, payload: object = None) -> Json:
    lab.recorder.waiting.add(name)
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": {"workflowId": "nobody", "eventName": "append", "payload": payload},
    }


def creates(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/workflowevents")


async def test_without_a_fault_kubectl_and_the_client_notice_nothing(
    lab: Lab, proxy: Proxy, api: Api, tmp_path: Path
) -> None:
    path = EVENTS.path(lab.namespace)
    await api.create(path, event(lab, "a", "x" * 300_000))
    kubectl = Kubectl(proxy.kubeconfig, lab.namespace, tmp_path)
    assert "nobody" in await kubectl("get", "wfe", "a")
    await kubectl("label", "wfe", "a", "x=y")
    assert (await api.get(f"{path}/a"))["metadata"]["labels"] == {"x": "y"}


async def test_it_is_the_api_server_that_says_what_is_too_large(
    lab: Lab, proxy: Proxy, api: Api
) -> None:
    path = EVENTS.path(lab.namespace)
    created = await api.create(path, event(lab, "a", "x" * 1_200_000))
    assert len(created["spec"]["payload"]) == 1_200_000
    with pytest.raises(ApiError) as refused:
        await api.create(path, event(lab, "b", "x" * 4_000_000))
    lab.recorder.waiting.discard("b")
    assert refused.value.too_large


async def test_an_answer_in_place_of_the_api_servers(lab: Lab, proxy: Proxy, api: Api) -> None:
    path = EVENTS.path(lab.namespace)
    proxy.faults = [Fault(creates, status=409, times=1), Fault(creates, status=503, times=1)]
    with pytest.raises(ConflictError):
        await api.create(path, event(lab, "a"))
    with pytest.raises(ApiError, match="the proxy answers 503"):
        await api.create(path, event(lab, "a"))
    await api.create(path, event(lab, "a"))
    assert [fault.met for fault in proxy.faults] == [1, 1]


async def test_a_request_whose_answer_is_lost_was_made(lab: Lab, proxy: Proxy, api: Api) -> None:
    path = EVENTS.path(lab.namespace)
    proxy.faults = [Fault(creates, cut_after=0, times=1)]
    with pytest.raises(UnreachableError):
        await api.create(path, event(lab, "a"))
    assert (await api.get(f"{path}/a"))["metadata"]["name"] == "a"


async def test_a_watch_cut_in_the_middle_of_a_line(lab: Lab, proxy: Proxy, api: Api) -> None:
    path = EVENTS.path(lab.namespace)
    await lab.api.create(path, event(lab, "a"))
    proxy.faults = [Fault(lambda asked: asked.is_watch_of("workflowevents"), cut_after=30)]
    stream = cast("AsyncGenerator[Json, None]", api.watch(path, {}))
    with pytest.raises(UnreachableError):
        await anext(stream)


async def test_a_delayed_watch_lags_and_loses_nothing(lab: Lab, proxy: Proxy, api: Api) -> None:
    path, lag = EVENTS.path(lab.namespace), 0.5
    proxy.faults = [Fault(lambda asked: asked.is_watch_of("workflowevents"), delay=lag)]
    since = (await api.get(path))["metadata"]["resourceVersion"]
    stream = cast("AsyncGenerator[Json, None]", api.watch(path, {"resourceVersion": since}))
    async with aclosing(stream):
        first = asyncio.ensure_future(anext(stream))
        began = time.monotonic()
        for name in ("a", "b", "c"):
            await lab.api.create(path, event(lab, name))
        seen = [(await first)["object"]["metadata"]["name"]]
        took = time.monotonic() - began
        seen += [(await anext(stream))["object"]["metadata"]["name"] for _ in range(2)]
    assert seen == ["a", "b", "c"]
    assert took >= lag


async def test_it_can_be_left_while_a_watch_is_under_way(lab: Lab) -> None:
    async with Proxy(lab.kubeconfig, lab.directory) as proxy:
        api = Api(await Connection.find(proxy.kubeconfig))
        async with api:
            await lab.api.create(EVENTS.path(lab.namespace), event(lab, "a"))
            stream = cast("AsyncGenerator[Json, None]", api.watch(EVENTS.path(lab.namespace), {}))
            assert (await anext(stream))["type"] == "ADDED"
            async with asyncio.timeout(10):
                await proxy.__aexit__(None, None, None)
            with pytest.raises(UnreachableError):
                await anext(stream)
