"""The API client closes the connection of a stream that is left early."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from grctl.kube import Api, Connection
from grctl_local import kubeconfig
from grctl_local.certificate import make_certificate

HOST = "127.0.0.1"
STREAM = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'1c\r\n{"type":"ADDED","object":{}}\r\n1\r\n\n\r\n'
)


@pytest.fixture
def streaming_server(tmp_path: Path) -> Iterator[Path]:
    """Yield the kubeconfig of a server that answers with a stream, and never reads again."""
    certificate = make_certificate(HOST, datetime.now(UTC))
    with socket.create_server((HOST, 0)) as listener:
        server = f"https://{HOST}:{listener.getsockname()[1]}"
        kubeconfig.write(tmp_path / "kubeconfig", server, "token", certificate.certificate)
        stop = threading.Event()
        context = certificate.server_context()
        thread = threading.Thread(target=_serve_stream, args=(listener, context, stop))
        thread.start()
        yield tmp_path / "kubeconfig"
        stop.set()
        thread.join()


def _serve_stream(listener: socket.socket, context: ssl.SSLContext, stop: threading.Event) -> None:
    connection, _ = listener.accept()
    with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as client:
        client.recv(65_536)
        client.sendall(STREAM)
        stop.wait()


async def _read_first_event(path: Path) -> Any:
    async with Api(await Connection.find(path)) as api:
        stream = cast("AsyncGenerator[Any, None]", api.watch("/api/v1/pods", {}))
        async with aclosing(stream):
            return await anext(stream)


def test_a_stream_that_is_left_early_is_closed_at_once(streaming_server: Path) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert asyncio.run(_read_first_event(streaming_server)) == {
            "type": "ADDED",
            "object": {},
        }
        gc.collect()
    assert [str(each.message) for each in warned] == []
