"""The proxy breaks what it is told to and nothing else, so what survives it survived something."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from grctl.kube import (
    CRDS,
    EVENTS,
    Api,
    ApiError,
    ConflictError,
    Connection,
    ExpiredError,
    NotFoundError,
    UnreachableError,
)
from grctl.models.crds import all_crds
from grctl_local import LocalServer
from tests.lab.api_proxy import ApiProxy
from tests.lab.faults import (
    CONFLICT,
    LOST,
    UNAVAILABLE,
    ApiRequest,
    Fault,
    FaultOdds,
    FaultRule,
    lagging_watch,
    refusal_fault,
)
from tests.lab.kubectl import Kubectl
from tests.lab.manifests import event_manifest

PATH = EVENTS.path("default")

Json = dict[str, Any]


@asynccontextmanager
async def proxied(
    directory: Path, *rules: FaultRule, ahead: timedelta = timedelta(0)
) -> AsyncIterator[tuple[Api, Api, ApiProxy]]:
    """Yield a client beside the proxy, one behind it, and the proxy."""
    async with LocalServer() as server:
        upstream = server.kubeconfig_path
        chance = random.Random(1)  # noqa: S311
        proxy = ApiProxy(upstream, directory / "proxy", *rules, chance=chance, ahead=ahead)
        async with (
            Api(await Connection.find(upstream)) as beside,
            proxy,
            Api(await Connection.find(proxy.kubeconfig)) as behind,
        ):
            for crd in all_crds():
                await beside.create(CRDS.path(), crd)
            yield beside, behind, proxy


def event(name: str, payload: object = None) -> Json:
    return event_manifest(name, "nobody", payload=payload)


def is_create(request: ApiRequest) -> bool:
    return request.method == "POST" and request.path.endswith("/workflowevents")


def is_watch(request: ApiRequest) -> bool:
    return request.is_watch_of("workflowevents")


def watch(api: Api, **params: str) -> AsyncGenerator[Json, None]:
    return cast("AsyncGenerator[Json, None]", api.watch(PATH, params))


async def exists(api: Api, name: str) -> bool:
    try:
        await api.get(f"{PATH}/{name}")
    except NotFoundError:
        return False
    return True


async def revision(api: Api) -> str:
    return str((await api.get(PATH))["metadata"]["resourceVersion"])


async def names(stream: AsyncIterator[Json], count: int) -> list[str]:
    return [(await anext(stream))["object"]["metadata"]["name"] for _ in range(count)]


async def error_of(asking: Any) -> Exception:
    with pytest.raises(ApiError) as caught:
        await asking
    return caught.value


async def test_a_proxy_without_faults_changes_nothing(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        created = await behind.create(PATH, event("a", "x" * 300_000))
        assert created == await beside.get(f"{PATH}/a")
        with pytest.raises(NotFoundError):
            await behind.get(f"{PATH}/none")
        kubectl = Kubectl(proxy.kubeconfig, "default", tmp_path)
        assert "nobody" in await kubectl("get", "wfe", "a")
        await kubectl("label", "wfe", "a", "x=y")
        assert (await behind.get(f"{PATH}/a"))["metadata"]["labels"] == {"x": "y"}
        assert proxy.counts.total() == 0


async def test_the_api_server_decides_what_is_too_large(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (_, behind, _proxy):
        created = await behind.create(PATH, event("a", "x" * 1_200_000))
        assert len(created["spec"]["payload"]) == 1_200_000
        with pytest.raises(ApiError) as caught:
            await behind.create(PATH, event("b", "x" * 4_000_000))
        assert caught.value.too_large


async def test_the_first_rule_that_takes_a_request_decides_on_its_fault(tmp_path: Path) -> None:
    rules = [
        FaultRule(is_create, refusal_fault(CONFLICT), times=1),
        FaultRule(is_create, refusal_fault(UNAVAILABLE), times=1),
    ]
    async with proxied(tmp_path, *rules) as (_, behind, proxy):
        with pytest.raises(ConflictError):
            await behind.create(PATH, event("a"))
        with pytest.raises(ApiError, match="apiserver is shutting down"):
            await behind.create(PATH, event("a"))
        await behind.create(PATH, event("a"))
        assert [rule.met for rule in rules] == [1, 1]
        assert proxy.counts == {"refused": 2}


async def test_a_request_whose_answer_is_lost_was_made(tmp_path: Path) -> None:
    async with proxied(tmp_path, FaultRule(is_create, LOST, times=1)) as (_, behind, _proxy):
        with pytest.raises(UnreachableError):
            await behind.create(PATH, event("a"))
        assert await exists(behind, "a")


@pytest.mark.parametrize(
    ("odds", "error", "happened"),
    [
        (FaultOdds(refused=1), ApiError, False),
        (FaultOdds(cut=1), UnreachableError, False),
        (FaultOdds(lost=1), UnreachableError, True),
        (FaultOdds(belied=1), ApiError, True),
    ],
    ids=["refused", "cut", "lost", "belied"],
)
async def test_a_fault_decides_what_a_client_is_told_and_what_has_happened(
    odds: FaultOdds, error: type[Exception], happened: bool, tmp_path: Path
) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        proxy.odds = odds
        with pytest.raises(error):
            await behind.create(PATH, event("a"))
        assert await exists(beside, "a") == happened
        assert proxy.counts.total() == 1


async def test_only_a_write_over_a_version_meets_a_conflict(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (_, behind, proxy):
        item = await behind.create(PATH, event("a"))
        proxy.odds = FaultOdds(refused=1)
        met = {type(await error_of(behind.replace(f"{PATH}/a", item))) for _ in range(50)}
        assert met == {ApiError, ConflictError}
        assert {type(await error_of(behind.get(PATH))) for _ in range(50)} == {ApiError}


@pytest.mark.parametrize(
    ("rule", "odds"),
    [
        (FaultRule(is_watch, Fault("cut", cut_after=30)), FaultOdds()),
        (FaultRule(is_create, LOST), FaultOdds(torn=1)),
    ],
    ids=["scripted", "drawn"],
)
async def test_a_watch_is_cut_in_the_middle_of_a_line(
    rule: FaultRule, odds: FaultOdds, tmp_path: Path
) -> None:
    async with proxied(tmp_path, rule) as (beside, behind, proxy):
        await beside.create(PATH, event("a"))
        proxy.odds = odds
        with pytest.raises(UnreachableError):
            await anext(watch(behind))


async def test_a_revision_expires_at_once_or_in_a_stream(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        await beside.create(PATH, event("a"))
        proxy.odds = FaultOdds(expired=1)
        with pytest.raises(ExpiredError):
            await anext(watch(behind, resourceVersion="1"))
        with pytest.raises(ExpiredError):
            await anext(watch(behind))


async def test_a_delayed_watch_lags_and_loses_nothing(tmp_path: Path) -> None:
    lag_s = 0.5
    lagging = lagging_watch("workflowevents", lag_s)
    async with (
        proxied(tmp_path, lagging) as (beside, behind, _),
        aclosing(watch(behind, resourceVersion=await revision(beside))) as stream,
    ):
        first = asyncio.ensure_future(anext(stream))
        began = time.monotonic()
        for name in "abc":
            await beside.create(PATH, event(name))
        seen = [(await first)["object"]["metadata"]["name"]]
        took = time.monotonic() - began
        seen += await names(stream, 2)
    assert seen == ["a", "b", "c"]
    assert took >= lag_s


async def test_a_held_watch_shows_everything_in_order_after_its_release(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        proxy.hold_watches()
        began_at = await revision(beside)
        for name in "abc":
            await beside.create(PATH, event(name))
        async with aclosing(watch(behind, resourceVersion=began_at)) as stream:
            first = asyncio.ensure_future(anext(stream))
            proxy.release_watches()
            seen = [(await first)["object"]["metadata"]["name"], *await names(stream, 2)]
        assert seen == ["a", "b", "c"]


async def test_watches_of_one_kind_are_held_alone(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        proxy.hold_watches("workflowruns")
        await beside.create(PATH, event("a"))
        async with aclosing(watch(behind)) as stream:
            assert (await anext(stream))["type"] == "ADDED"


async def test_the_proxy_can_be_left_while_a_watch_is_under_way(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        await beside.create(PATH, event("a"))
        stream = watch(behind)
        assert (await anext(stream))["type"] == "ADDED"
        async with asyncio.timeout(10):
            await proxy.__aexit__(None, None, None)
        with pytest.raises(UnreachableError):
            await anext(stream)


async def test_times_are_shifted_both_ways(tmp_path: Path) -> None:
    ahead = timedelta(minutes=5)
    async with proxied(tmp_path, ahead=ahead) as (beside, behind, _):
        dates: list[datetime] = []
        async with Api(
            behind.connection, on_answer=lambda took, date: dates.append(date)
        ) as noting:
            item = await noting.create(PATH, event("a"))
        assert abs(dates[0] - datetime.now(UTC) - ahead) < timedelta(seconds=60)
        item["metadata"]["annotations"] = {"at": "2026-01-01T00:05:00Z"}
        answered = (await behind.replace(f"{PATH}/a", item))["metadata"]
        stored = (await beside.get(f"{PATH}/a"))["metadata"]
        assert stored["annotations"] == {"at": "2026-01-01T00:00:00Z"}
        unchanged = item["metadata"] | {"resourceVersion": stored["resourceVersion"]}
        assert answered == unchanged
        assert _created(item["metadata"]) - _created(stored) == ahead


def _created(metadata: Json) -> datetime:
    return datetime.fromisoformat(metadata["creationTimestamp"])
