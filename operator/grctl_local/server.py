"""The server as a whole: data file, socket, kubeconfig and garbage collector.

1. It listens on the loopback only.
2. The data file keeps token and certificate. So running clients go on after a restart.
"""

import asyncio
import contextlib
import secrets
import socket
import ssl
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from grctl_local import kubeconfig
from grctl_local.certificate import ServerCertificate, make_certificate
from grctl_local.clock import Clock, system_clock
from grctl_local.store import ObjectStore
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.garbage import GarbageCollector
from grctl_local.wire.audit import AuditLog
from grctl_local.wire.http import MAX_BODY_BYTES, RequestHandler

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT_S = 0.5  # for open requests; watches have been ended before
TOKEN_BYTES = 32


class PortTakenError(Exception):
    """The port cannot be used, most often because another process listens on it."""


class LocalServer:
    """A Kubernetes API in this process. Use it as an async context manager.

    Args:
        data: file that keeps the objects; None keeps them in memory.
        port: 0 takes a free one.
        kubeconfig_path: where the kubeconfig is written; None takes a temporary file.
        clock: returns the current time; tests pass their own.
        audit_log: file to which each request is added; None writes no log.

    Example:
        async with LocalServer() as server:
            print(server.url, server.token, server.kubeconfig_path)
    """

    def __init__(
        self,
        data: Path | str | None = None,
        port: int = 0,
        kubeconfig_path: Path | str | None = None,
        clock: Clock = system_clock,
        audit_log: Path | str | None = None,
    ) -> None:
        self._data = Path(data) if data else None
        self._port = port
        self._clock = clock
        self._wanted_path = kubeconfig_path
        self._audit_path = Path(audit_log) if audit_log else None
        self.kubeconfig_path = Path()
        self.token = ""
        self.url = ""
        self._closing = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the server. It takes requests when this returns.

        Raises:
            StoreError: the data file cannot be used.
            KubeconfigTakenError: the kubeconfig file belongs to another server or cluster.
            PortTakenError: the port cannot be used.
            OSError: the audit log cannot be written.
        """
        listener = _listen(self._port)
        self._closing.callback(listener.close)
        try:
            await self._start(listener)
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server: end all watches, finish open requests, close the files."""
        await self._closing.aclose()

    async def _start(self, listener: socket.socket) -> None:
        store = ObjectStore(self._data)
        self._closing.callback(store.close)
        self.token = _token(store)
        certificate = _certificate(store)
        self.cluster = Cluster.of(store, self._clock)
        self._start_collector()
        await self._serve(listener, certificate.server_context())
        self.url = f"https://{HOST}:{listener.getsockname()[1]}"
        self.kubeconfig_path = Path(self._wanted_path or self._temporary_path())
        await kubeconfig.check_free(self.kubeconfig_path, self.url)
        kubeconfig.write(self.kubeconfig_path, self.url, self.token, certificate.certificate)

    def _temporary_path(self) -> Path:
        directory = tempfile.TemporaryDirectory()
        self._closing.callback(directory.cleanup)
        return Path(directory.name) / "kubeconfig"

    def _open_audit_log(self) -> AuditLog | None:
        if self._audit_path is None:
            return None
        log = AuditLog(self._audit_path, self._clock)
        self._closing.callback(log.close)
        return log

    def _start_collector(self) -> None:
        task = asyncio.create_task(GarbageCollector(self.cluster).run())

        async def stop() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        self._closing.push_async_callback(stop)

    async def _serve(self, listener: socket.socket, tls: ssl.SSLContext) -> None:
        handler = RequestHandler(self.cluster, self.token, self._open_audit_log())
        loop = asyncio.get_running_loop()

        make_request = partial(web.BaseRequest, loop=loop, client_max_size=MAX_BODY_BYTES)
        server = web.Server(
            handler.handle, request_factory=make_request, handler_cancellation=True, access_log=None
        )
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        self._closing.callback(handler.end_watches)
        await web.SockSite(runner, listener, ssl_context=tls).start()


def _token(store: ObjectStore) -> str:
    token = store.fact("token")
    if not token:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        store.set_fact("token", token)
    return token


def _certificate(store: ObjectStore) -> ServerCertificate:
    certificate, key = store.fact("certificate"), store.fact("key")
    if certificate and key:
        return ServerCertificate(certificate, key)
    made = make_certificate(HOST, system_clock())
    store.set_fact("certificate", made.certificate)
    store.set_fact("key", made.key)
    return made


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"Port {port} of {HOST} cannot be used: {error.strerror}. Name another port, or 0 for"
            " a free one."
        ) from error
    listener.setblocking(False)
    return listener
