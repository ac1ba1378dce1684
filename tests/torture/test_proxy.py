"""The proxy does what it says, so that what survives it has survived something."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.kube import (
    EVENTS,
    Api,
    ApiError,
    ConflictError,
    Connection,
    ExpiredError,
    NotFoundError,
    Resource,
    UnreachableError,
)
from grctl_local import LocalServer
from tests.torture.proxy import FaultyProxy
from tests.torture.weather import Weather

PATH = Resource("/api/v1", "namespaces").path()

Json = dict[str, Any]


@asynccontextmanager
async def proxied(directory: Path, **settings: Any) -> AsyncIterator[tuple[Api, Api, FaultyProxy]]:
    """Give a client beside the proxy, one behind it, and the proxy."""
    async with LocalServer() as server:
        chance = random.Random(1)  # noqa: S311
        proxy = FaultyProxy(server.kubeconfig_path, directory / "config", chance, **settings)
        async with (
            Api(await Connection.find(server.kubeconfig_path)) as beside,
            proxy,
            Api(await Connection.find(proxy.kubeconfig)) as behind,
        ):
            yield beside, behind, proxy


def named(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


async def exists(api: Api, name: str) -> bool:
    try:
        await api.get(f"{PATH}/{name}")
    except NotFoundError:
        return False
    return True


async def test_a_calm_proxy_changes_nothing(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        created = await behind.create(PATH, named("a"))
        assert created == await beside.get(f"{PATH}/a")
        with pytest.raises(NotFoundError):
            await behind.get(EVENTS.path("default", "none"))
        assert proxy.counts.total() == 0


@pytest.mark.parametrize(
    ("weather", "error", "happened"),
    [
        (Weather(refused=1), ApiError, False),
        (Weather(cut=1), UnreachableError, False),
        (Weather(lost=1), UnreachableError, True),
        (Weather(belied=1), ApiError, True),
    ],
)
async def test_what_a_client_is_told_and_what_has_happened(
    weather: Weather, error: type[Exception], happened: bool, tmp_path: Path
) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        proxy.weather = weather
        with pytest.raises(error):
            await behind.create(PATH, named("a"))
        assert await exists(beside, "a") == happened
        assert proxy.counts.total() == 1


async def test_only_a_write_over_a_version_meets_a_conflict(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (_, behind, proxy):
        item = await behind.create(PATH, named("a"))
        proxy.weather = Weather(refused=1)
        met = {type(await _error(behind.replace(f"{PATH}/a", item))) for _ in range(50)}
        assert met == {ApiError, ConflictError}
        assert {type(await _error(behind.get(PATH))) for _ in range(50)} == {ApiError}


async def _error(asking: Any) -> Exception:
    with pytest.raises(ApiError) as caught:
        await asking
    return caught.value


async def test_a_watch_is_cut_in_the_middle_of_a_line(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        await beside.create(PATH, named("a"))
        proxy.weather = Weather(torn=1)
        with pytest.raises(UnreachableError):
            await anext(behind.watch(PATH, {}))


async def test_a_revision_expires_at_once_or_in_a_stream(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        await beside.create(PATH, named("a"))
        proxy.weather = Weather(expired=1)
        for params in ({"resourceVersion": "1"}, {}):
            with pytest.raises(ExpiredError):
                await anext(behind.watch(PATH, params))


async def test_a_watch_that_was_held_up_tells_everything_in_order(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        proxy.hold_watches()
        revision = (await beside.get(PATH))["metadata"]["resourceVersion"]
        for name in "abc":
            await beside.create(PATH, named(name))
        watch = behind.watch(PATH, {"resourceVersion": revision})
        first = anext(watch)
        proxy.release_watches()
        seen = [await first, await anext(watch), await anext(watch)]
        assert [each["object"]["metadata"]["name"] for each in seen] == ["a", "b", "c"]


async def test_watches_of_one_kind_are_held_up_alone(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (beside, behind, proxy):
        proxy.hold_watches("workflowruns")
        await beside.create(PATH, named("a"))
        assert (await anext(behind.watch(PATH, {})))["type"] == "ADDED"


async def test_times_are_translated_both_ways(tmp_path: Path) -> None:
    ahead = timedelta(minutes=5)
    async with proxied(tmp_path, ahead=ahead) as (beside, behind, _):
        dates: list[datetime] = []
        behind.on_answer = lambda took, date: dates.append(date)
        item = await behind.create(PATH, named("a"))
        assert abs(dates[0] - datetime.now(UTC) - ahead) < timedelta(seconds=60)
        item["metadata"]["annotations"] = {"at": "2026-01-01T00:05:00Z"}
        assert (await behind.replace(f"{PATH}/a", item))["metadata"] == item["metadata"] | {
            "resourceVersion": (await beside.get(f"{PATH}/a"))["metadata"]["resourceVersion"]
        }
        beside_it = (await beside.get(f"{PATH}/a"))["metadata"]
        assert beside_it["annotations"] == {"at": "2026-01-01T00:00:00Z"}
        assert _stamp(item["metadata"]) - _stamp(beside_it) == ahead


def _stamp(metadata: Json) -> datetime:
    return datetime.fromisoformat(metadata["creationTimestamp"])
