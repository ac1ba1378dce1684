from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from grctl.serving.probes import Probes


class Process:
    """A process with probes; the test sets its state."""

    def __init__(self) -> None:
        self.amiss: str | None = None
        self.missing: str | None = "waits for the list of all runs"


@asynccontextmanager
async def probed(probes: Probes) -> AsyncIterator[aiohttp.ClientSession]:
    await probes.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{probes.port}") as session:
        yield session
    await probes.stop()


async def asked(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with session.get(path) as response:
        return response.status, await response.text()


async def test_a_process_may_be_healthy_and_not_ready_with_a_reason() -> None:
    process = Process()
    async with probed(Probes(lambda: process.amiss, lambda: process.missing)) as session:
        assert await asked(session, "/healthz") == (200, "ok\n")
        assert await asked(session, "/readyz") == (503, "waits for the list of all runs\n")
        process.missing = None
        assert await asked(session, "/readyz") == (200, "ok\n")


async def test_a_reason_is_answered_with_503() -> None:
    process = Process()
    process.amiss = "the operator ends: restored from a backup"
    async with probed(Probes(lambda: process.amiss, lambda: process.amiss)) as session:
        assert await asked(session, "/healthz") == (503, f"{process.amiss}\n")


async def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    def exposition(accept: str) -> tuple[bytes, str]:
        return b"grctl_commits_total 0\n", f"{accept}; version=1"

    probes = Probes(lambda: None, lambda: None, exposition)
    async with (
        probed(probes) as session,
        session.get("/metrics", headers={"Accept": "text/plain"}) as response,
    ):
        assert response.headers["Content-Type"] == "text/plain; version=1"
        assert await response.text() == "grctl_commits_total 0\n"


async def test_a_process_without_metrics_has_no_path_for_them() -> None:
    async with probed(Probes(lambda: None, lambda: None)) as session:
        assert (await asked(session, "/metrics"))[0] == 404


async def test_a_taken_port_is_an_error() -> None:
    first, second = (Probes(lambda: None, lambda: None) for _ in range(2))
    await first.start("127.0.0.1", 0)
    with pytest.raises(OSError, match="address already in use"):
        await second.start("127.0.0.1", first.port)
    await first.stop()
    await second.stop()
