"""Probes: the HTTP endpoint that reports the health of a process: /healthz, /readyz, /metrics.

1. The answer is `ok`, or 503 and the reason as text. Healthy means that the process works and must
   not be restarted. Ready means that it can do its work now.
2. Every answer is made from what the process knows, without a request to anybody: so frequent
   probes cost little.
3. Requests of web pages are refused: see `grctl.serving.web_pages`.
"""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from grctl.logs.loggers import get_logger
from grctl.serving.web_pages import refuse_web_pages

Check = Callable[[], str | None]
"""Returns what is wrong, or None if nothing is."""
Exposition = Callable[[str], tuple[bytes, str]]
"""Returns all metrics in a format that an Accept header names, and the format's content type."""

logger = get_logger(__name__)


class Probes:
    """The endpoint. `metrics` is None if the process has no metrics."""

    def __init__(self, healthy: Check, ready: Check, metrics: Exposition | None = None) -> None:
        self.port = 0
        self._healthy = healthy
        self._ready = ready
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen on a port; 0 takes a free one. `self.port` is the port then.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(middlewares=[refuse_web_pages(host)])
        app.router.add_get("/healthz", self._get_healthy)
        app.router.add_get("/readyz", self._get_ready)
        if self._metrics is not None:
            app.router.add_get("/metrics", partial(_expose, self._metrics))
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]
        logger.info("answering probes", extra={"address": f"http://{host}:{self.port}"})

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get_healthy(self, _request: web.Request) -> web.Response:
        return _verdict(self._healthy())

    async def _get_ready(self, _request: web.Request) -> web.Response:
        return _verdict(self._ready())


async def _expose(metrics: Exposition, request: web.Request) -> web.Response:
    body, content_type = metrics(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


def _verdict(amiss: str | None) -> web.Response:
    return web.Response(text=f"{amiss or 'ok'}\n", status=503 if amiss else 200)
