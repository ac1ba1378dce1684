"""Servers that a browser of this machine can reach."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from grctl.serving.probes import Probes

METRICS = b"grctl_commits_total 0\n"
PATHS = ["/metrics", "/healthz", "/readyz"]


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])  # noqa: S104
async def listening(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int]]:
    probes = Probes(lambda: None, lambda: None, lambda _: (METRICS, "text/plain"))
    await probes.start(request.param, 0)
    yield request.param, probes.port
    await probes.stop()


async def status(port: int, path: str, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response,
    ):
        assert (METRICS in await response.read()) == (response.status == 200 and path == PATHS[0])
        assert "Access-Control-Allow-Origin" not in response.headers
        return response.status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", ""])
async def test_a_request_of_a_web_page_is_refused(
    listening: tuple[str, int], path: str, origin: str
) -> None:
    assert await status(listening[1], path, {"Origin": origin}) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8701", "localhost:1", "[::1]:2", "[::1]"])
async def test_a_request_to_this_machine_is_answered(listening: tuple[str, int], host: str) -> None:
    assert await status(listening[1], "/metrics", {"Host": host}) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8701", "127.0.0.1.evil.example", "10.0.0.1", "[fe80::1]"]
)
async def test_a_name_that_leads_to_this_machine_is_refused_on_loopback_alone(
    listening: tuple[str, int], host: str
) -> None:
    expected = 403 if listening[0] == "127.0.0.1" else 200

    assert await status(listening[1], "/metrics", {"Host": host}) == expected
