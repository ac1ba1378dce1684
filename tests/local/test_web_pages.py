"""A web page in a browser of this machine has no access to the embedded API."""

import ssl

import aiohttp
import pytest

from grctl_local.server import LocalServer

PAGE = {"Origin": "https://evil.example", "Host": "evil.example"}
RUNS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_web_page_without_the_token_gets_nothing(method: str) -> None:
    async with LocalServer() as server, aiohttp.ClientSession() as session:
        request = session.request(method, server.url + RUNS, headers=PAGE, ssl=False)
        async with request as response:
            assert response.status == 401
            assert not [name for name in response.headers if name.startswith("Access-Control")]


async def test_a_browser_does_not_trust_its_certificate() -> None:
    async with LocalServer() as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(server.url + "/version", ssl=ssl.create_default_context())
