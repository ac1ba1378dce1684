"""Workers beside a fake operator."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest

from grctl.worker import Worker
from tests.worker.fake_operator import FakeOperator, fake_operator

Serve = Callable[..., "Serving"]


class Serving:
    """A worker that runs beside the test."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.task = asyncio.create_task(worker.run())

    async def ended(self) -> None:
        async with asyncio.timeout(60):
            await self.task


async def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End what runs beside the test; an error of the worker fails the test."""
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPERATOR_URL", "NAMESPACE", "WORKER_NAME", "WORKER_TOKEN_FILE"):
        monkeypatch.delenv(f"GRCTL_{name}", raising=False)


@pytest.fixture
async def operator() -> AsyncIterator[FakeOperator]:
    async with fake_operator() as operator:
        yield operator


@pytest.fixture
async def serve(operator: FakeOperator) -> AsyncIterator[Serve]:
    """Start workers that are stopped when the test ends."""
    started: list[Serving] = []

    def start(*workflows: Any, **arguments: Any) -> Serving:
        given = {"operator_url": operator.url, "name": "worker-1", "namespace": "shop"}
        started.append(Serving(Worker(workflows, **(given | arguments))))
        return started[-1]

    yield start
    await cancel(serving.task for serving in started)
