"""Reports of workers whose event loop is blocked, sent by HTTP as by their thread."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from grctl.models.wire import BLOCKED_PATH, MAX_PLACE_CHARS, Blocked, Execution
from grctl_operator.runtime.workers import blocked_loops as module
from tests.runtime.played_worker import PlayedWorker, connected, hello
from tests.runtime.workers.dispatcher_parts import KEY, ORDER, OTHER, Parts

PLACE = "/app/orders.py:12 in start"
OWN, THIEF = "Bearer own", "Bearer thief"


class ReportingParts(Parts):
    """A dispatcher with one worker, and the thread of that worker."""

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
        """Return where the worker's loop is blocked, if it is."""
        worker = self.registry.roster.find("i1")
        return worker.blocked.position if worker and worker.blocked else None


@pytest.fixture
async def parts() -> AsyncIterator[ReportingParts]:
    made = ReportingParts()
    await made.dispatcher.start("127.0.0.1", 0)
    yield made
    await made.dispatcher.stop()


async def executing(parts: ReportingParts, worker: PlayedWorker) -> Execution:
    parts.dispatch()
    return (await worker.executes()).execution


async def test_a_blocked_loop_is_shown_on_its_runs_and_extends_the_grace(
    parts: ReportingParts,
) -> None:
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own") as worker:
        execution = await executing(parts, worker)
        assert await parts.report(execution=execution.id) == 204
        assert await parts.woken() == KEY
        (presence,) = parts.registry.get_view(KEY, "Order").workers
    assert presence.blocked is not None
    assert (presence.blocked.position, presence.blocked.execution) == (PLACE, execution.id)
    assert presence.blocked.handler == "start of order-1"
    assert parts.waited_longer == ["i1"]


async def test_a_worker_that_is_away_and_reports_gets_more_time(parts: ReportingParts) -> None:
    absent = parts.dispatcher._absent
    absent._closed_grace, absent._silent_grace = 60.0, 600.0
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own") as worker:
        await executing(parts, worker)
    while "i1" not in absent._timers:
        await parts.woken()
    before, _ = absent._timers["i1"]

    absent.wait_longer("i1")

    after, _ = absent._timers["i1"]
    assert before.cancelled()
    assert after.when() > before.when() + 500


async def test_reports_do_not_extend_the_grace_for_ever(parts: ReportingParts) -> None:
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own"):
        for _ in range(100):
            await parts.report()
            parts.time += 5
    assert len(parts.waited_longer) == module.LONGEST_BLOCKAGE_S / 5


async def test_a_loop_that_goes_on_ends_the_blockage_and_the_next_one_is_measured_anew(
    parts: ReportingParts,
) -> None:
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own"):
        await parts.report()
        assert parts.shown() == PLACE
        await parts.report(over=True)
        assert parts.shown() is None
        parts.time += module.LONGEST_BLOCKAGE_S
        await parts.report()
    assert parts.waited_longer == ["i1", "i1"]


async def test_a_worker_that_connects_again_is_not_blocked(parts: ReportingParts) -> None:
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own"):
        await parts.report()
        async with connected(parts.port, hello(ORDER, instance="i1"), token="own"):
            assert parts.shown() is None


async def test_a_blocked_worker_gets_nothing_until_it_goes_on(parts: ReportingParts) -> None:
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own") as worker:
        await parts.report()
        parts.dispatch(OTHER)
        parts.dispatcher.on_reconciled(OTHER)
        assert parts.held(OTHER) == []
        await parts.report(over=True)
        assert await parts.woken() == OTHER
        parts.dispatch(OTHER)
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
async def test_a_report_of_another_account_changes_nothing(
    parts: ReportingParts, report: dict[str, Any], status: int
) -> None:
    async with connected(parts.port, hello(ORDER, instance="i1"), token="own"):
        assert await parts.report(**report) == status
        assert parts.shown() is None
    assert parts.waited_longer == []


async def test_an_execution_of_another_namespace_is_not_named(parts: ReportingParts) -> None:
    other = hello(ORDER, instance="i2", namespace="bank", worker="two")
    async with (
        connected(parts.port, hello(ORDER, instance="i1"), token="own") as worker,
        connected(parts.port, other, token="own"),
    ):
        execution = await executing(parts, worker)
        await parts.report(instance="i2", execution=execution.id)
        found = parts.registry.roster.find("i2")
        assert found is not None
        assert found.blocked is not None
        assert (found.blocked.execution, found.blocked.handler) == (None, None)


def test_a_place_has_a_length() -> None:
    with pytest.raises(ValueError, match="at most 300"):
        Blocked(instance="i1", seconds=1, place="x" * (MAX_PLACE_CHARS + 1))
