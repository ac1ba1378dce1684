"""Reports of workers whose event loop is blocked, by HTTP as their thread sends them."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from grctl.models.wire import BLOCKED_PATH, MAX_PLACE_CHARS, Blocked, Execution
from grctl_operator.runtime.workers import blocked_loops as module
from tests.runtime.played_worker import PlayedWorker, connected, hello
from tests.runtime.workers.test_dispatcher import KEY, ORDER, OTHER, Place

PLACE = "/app/orders.py:12 in start"
OWN, THIEF = "Bearer own", "Bearer thief"


class Reporting(Place):
    """A dispatcher with one worker, and the thread of that one."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1000.0
        self.waited_longer: list[str] = []
        loops = self.dispatcher._blocked_loops
        loops._monotonic = lambda: self.time
        loops._wait_longer = self.waited_longer.append

    async def report(
        self,
        credential: str = OWN,
        instance: str = "i1",
        body: bytes | None = None,
        **fields: Any,
    ) -> int:
        report = Blocked(instance=instance, **{"seconds": 4.0, "place": PLACE, **fields})
        url = f"http://127.0.0.1:{self.port}{BLOCKED_PATH}"
        headers = {"Authorization": credential}
        data = body if body is not None else report.model_dump_json(by_alias=True)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=data, headers=headers) as response,
        ):
            return response.status

    def shown(self) -> str | None:
        """Where the worker's loop is blocked, if it is."""
        worker = self.registry.roster.find("i1")
        return worker.blocked.place if worker and worker.blocked else None


@pytest.fixture
async def place() -> AsyncIterator[Reporting]:
    made = Reporting()
    await made.dispatcher.start("127.0.0.1", 0)
    yield made
    await made.dispatcher.stop()


async def executing(place: Reporting, worker: PlayedWorker) -> Execution:
    place.dispatch()
    return (await worker.executes()).execution


async def test_a_blocked_loop_is_shown_on_its_runs_and_waited_for(place: Reporting) -> None:
    async with connected(place.port, hello(ORDER, instance="i1"), token="own") as worker:
        execution = await executing(place, worker)
        assert await place.report(execution=execution.id) == 204
        assert await place.woken() == KEY
        (presence,) = place.registry.get_view(KEY, "Order").workers
    assert presence.blocked is not None
    assert (presence.blocked.place, presence.blocked.execution) == (PLACE, execution.id)
    assert presence.blocked.handler == "start of order-1"
    assert place.waited_longer == ["i1"]


async def test_a_worker_that_is_away_and_reports_gets_more_time(place: Reporting) -> None:
    absent = place.dispatcher._absent
    absent._closed_grace, absent._silent_grace = 60.0, 600.0
    async with connected(place.port, hello(ORDER, instance="i1"), token="own") as worker:
        await executing(place, worker)
    while "i1" not in absent._timers:
        await place.woken()
    before, _ = absent._timers["i1"]

    absent.wait_longer("i1")

    after, _ = absent._timers["i1"]
    assert before.cancelled()
    assert after.when() > before.when() + 500


async def test_nothing_is_waited_for_without_an_end(place: Reporting) -> None:
    async with connected(place.port, hello(ORDER, instance="i1"), token="own"):
        for _ in range(100):
            await place.report()
            place.time += 5
    assert len(place.waited_longer) == module.LONGEST_BLOCKAGE_S / 5


async def test_a_loop_that_goes_on_ends_it_and_the_next_time_is_counted_anew(
    place: Reporting,
) -> None:
    async with connected(place.port, hello(ORDER, instance="i1"), token="own"):
        await place.report()
        assert place.shown() == PLACE
        await place.report(over=True)
        assert place.shown() is None
        place.time += module.LONGEST_BLOCKAGE_S
        await place.report()
    assert place.waited_longer == ["i1", "i1"]


async def test_a_worker_that_connects_again_is_not_blocked(place: Reporting) -> None:
    async with connected(place.port, hello(ORDER, instance="i1"), token="own"):
        await place.report()
        async with connected(place.port, hello(ORDER, instance="i1"), token="own"):
            assert place.shown() is None


async def test_a_blocked_worker_is_given_nothing_until_it_goes_on(place: Reporting) -> None:
    async with connected(place.port, hello(ORDER, instance="i1"), token="own") as worker:
        await place.report()
        place.dispatch(OTHER)
        place.dispatcher.on_reconciled(OTHER)
        assert place.held(OTHER) == []
        await place.report(over=True)
        assert await place.woken() == OTHER
        place.dispatch(OTHER)
        await worker.executes()


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ({"credential": THIEF}, 404),
        ({"instance": "never-heard-of"}, 404),
        ({"body": b"{}"}, 400),
        ({"body": b"not JSON"}, 400),
        ({"body": b"[" * 5000}, 400),
        ({"body": b'{"instance":"i1","seconds":1e400,"place":"x"}'}, 400),
        ({"body": b'{"instance":"i1","seconds":-1,"place":"x"}'}, 400),
        ({"body": b'{"instance":"i1","seconds":1,"place":"' + b"x" * 400 + b'"}'}, 400),
        ({"body": b'{"instance":"i1","seconds":1,"place":"\\ud800"}'}, 400),
        ({"body": b" " * 10_000}, 413),
    ],
)
async def test_a_report_that_is_not_a_workers_own_changes_nothing(
    place: Reporting, report: dict[str, Any], status: int
) -> None:
    async with connected(place.port, hello(ORDER, instance="i1"), token="own"):
        assert await place.report(**report) == status
        assert place.shown() is None
    assert place.waited_longer == []


async def test_an_execution_of_another_namespace_is_not_named(place: Reporting) -> None:
    other = hello(ORDER, instance="i2", namespace="bank", worker="two")
    async with (
        connected(place.port, hello(ORDER, instance="i1"), token="own") as worker,
        connected(place.port, other, token="own"),
    ):
        execution = await executing(place, worker)
        await place.report(instance="i2", execution=execution.id)
        found = place.registry.roster.find("i2")
        assert found is not None
        assert found.blocked is not None
        assert (found.blocked.execution, found.blocked.handler) == (None, None)


def test_a_place_has_a_length() -> None:
    with pytest.raises(ValueError, match="at most 300"):
        Blocked(instance="i1", seconds=1, place="x" * (MAX_PLACE_CHARS + 1))
