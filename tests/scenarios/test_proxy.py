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
from tests.scenarios.proxy import Asked, Fault, Proxy
from tests.scenarios.stage import Stage

Json = dict[str, Any]


@pytest.fixture
async def proxy(stage: Stage) -> AsyncIterator[Proxy]:
    async with Proxy(stage.kubeconfig, stage.directory) as proxy:
        yield proxy


@pytest.fixture
async def api(proxy: Proxy) -> AsyncIterator[Api]:
    async with Api(await Connection.find(proxy.kubeconfig)) as api:
        yield api


def event(stage: Stage, name: str, payload: object = None) -> Json:
    stage.recorder.waiting.add(name)
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": {"workflowId": "nobody", "eventName": "append", "payload": payload},
    }


def creates(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/workflowevents")


async def test_without_a_fault_kubectl_and_the_client_notice_nothing(
    stage: Stage, proxy: Proxy, api: Api, tmp_path: Path
) -> None:
    path = EVENTS.path(stage.namespace)
    await api.create(path, event(stage, "a", "x" * 300_000))
    kubectl = Kubectl(proxy.kubeconfig, stage.namespace, tmp_path)
    assert "nobody" in await kubectl("get", "wfe", "a")
    await kubectl("label", "wfe", "a", "x=y")
    assert (await api.get(f"{path}/a"))["metadata"]["labels"] == {"x": "y"}


async def test_it_is_the_api_server_that_says_what_is_too_large(
    stage: Stage, proxy: Proxy, api: Api
) -> None:
    path = EVENTS.path(stage.namespace)
    created = await api.create(path, event(stage, "a", "x" * 1_200_000))
    assert len(created["spec"]["payload"]) == 1_200_000
    with pytest.raises(ApiError) as refused:
        await api.create(path, event(stage, "b", "x" * 4_000_000))
    stage.recorder.waiting.discard("b")
    assert refused.value.too_large


async def test_an_answer_in_place_of_the_api_servers(stage: Stage, proxy: Proxy, api: Api) -> None:
    path = EVENTS.path(stage.namespace)
    proxy.faults = [Fault(creates, status=409, times=1), Fault(creates, status=503, times=1)]
    with pytest.raises(ConflictError):
        await api.create(path, event(stage, "a"))
    with pytest.raises(ApiError, match="the proxy answers 503"):
        await api.create(path, event(stage, "a"))
    await api.create(path, event(stage, "a"))
    assert [fault.met for fault in proxy.faults] == [1, 1]


async def test_a_request_whose_answer_is_lost_was_made(
    stage: Stage, proxy: Proxy, api: Api
) -> None:
    path = EVENTS.path(stage.namespace)
    proxy.faults = [Fault(creates, cut_after=0, times=1)]
    with pytest.raises(UnreachableError):
        await api.create(path, event(stage, "a"))
    assert (await api.get(f"{path}/a"))["metadata"]["name"] == "a"


async def test_a_watch_cut_in_the_middle_of_a_line(stage: Stage, proxy: Proxy, api: Api) -> None:
    path = EVENTS.path(stage.namespace)
    await stage.api.create(path, event(stage, "a"))
    proxy.faults = [Fault(lambda asked: asked.is_watch_of("workflowevents"), cut_after=30)]
    stream = cast("AsyncGenerator[Json, None]", api.watch(path, {}))
    with pytest.raises(UnreachableError):
        await anext(stream)


async def test_a_delayed_watch_lags_and_loses_nothing(stage: Stage, proxy: Proxy, api: Api) -> None:
    path, lag = EVENTS.path(stage.namespace), 0.5
    proxy.faults = [Fault(lambda asked: asked.is_watch_of("workflowevents"), delay=lag)]
    since = (await api.get(path))["metadata"]["resourceVersion"]
    stream = cast("AsyncGenerator[Json, None]", api.watch(path, {"resourceVersion": since}))
    async with aclosing(stream):
        first = asyncio.ensure_future(anext(stream))
        began = time.monotonic()
        for name in ("a", "b", "c"):
            await stage.api.create(path, event(stage, name))
        seen = [(await first)["object"]["metadata"]["name"]]
        took = time.monotonic() - began
        seen += [(await anext(stream))["object"]["metadata"]["name"] for _ in range(2)]
    assert seen == ["a", "b", "c"]
    assert took >= lag


async def test_it_can_be_left_while_a_watch_is_under_way(stage: Stage) -> None:
    async with Proxy(stage.kubeconfig, stage.directory) as proxy:
        api = Api(await Connection.find(proxy.kubeconfig))
        async with api:
            await stage.api.create(EVENTS.path(stage.namespace), event(stage, "a"))
            stream = cast("AsyncGenerator[Json, None]", api.watch(EVENTS.path(stage.namespace), {}))
            assert (await anext(stream))["type"] == "ADDED"
            async with asyncio.timeout(10):
                await proxy.__aexit__(None, None, None)
            with pytest.raises(UnreachableError):
                await anext(stream)
