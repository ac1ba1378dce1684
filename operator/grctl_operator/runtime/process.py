"""The process: kopf runs it, with login, signals, start and cleanup.

1. kopf watches no resource of grctl: runs and events come by the operator's own list-and-watch, in
   order.
2. Before kopf starts, the API server has answered and the ports are taken: an error that a person
   must mend is printed plainly. The operator's tasks begin in kopf's startup and end in its
   cleanup, while they still live: when kopf ends, it cancels each task that began after it.
3. If the operator ends, kopf ends, and the failure is raised to the caller. kopf ends nothing: it
   asks once which resources there are, and tries that for as long as it fails.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any, cast

import aiohttp
import kopf

from grctl.kube import Connection
from grctl_operator.runtime.operator import USER_AGENT, Operator
from grctl_operator.runtime.settings import Settings

KOPF_PAUSES_S = (1.0, 2.0, 5.0, 10.0)
LONGEST_KOPF_PAUSE_S = 30.0

IDENTITY = cast("Any", "grctl-operator")
"""For kopf's own peering, which is off. Without one it asks for the user's name, and a container's
user need not have one."""


class Patience:
    """Pauses between tries, without an end.

    By default kopf gives up after eight tries, and the operator would end with it.
    """

    def __iter__(self) -> Iterator[float]:
        """Yield the seconds to wait before each next try."""
        yield from KOPF_PAUSES_S
        yield from repeat(LONGEST_KOPF_PAUSE_S)


async def serve(settings: Settings) -> None:
    """Run the operator until a signal ends it, or one of its parts.

    Raises:
        Exception: the error that ended a part.
    """
    operator = Operator(settings)
    try:
        await operator.connect()
        await _run_kopf(operator, settings)
    finally:
        await operator.stop()
    if operator.failure is not None:
        raise operator.failure


async def _run_kopf(operator: Operator, settings: Settings) -> None:
    await kopf.operator(
        registry=_registry(operator),
        standalone=True,
        identity=IDENTITY,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        stop_flag=operator.ended,
    )


def _registry(operator: Operator) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def begin(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.networking.error_backoffs = Patience()
        operator.begin()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await operator.stop()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await _session(operator.api.connection)

    return registry


async def _session(connection: Connection) -> kopf.AiohttpSession:
    """Return a session for kopf, which asks once which resources the API server has."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=connection.tls or True),
        headers=[("User-Agent", USER_AGENT), *await connection.authorization()],
        proxy=connection.proxy,
        middlewares=(_expecting(connection.tls_server_name),),
    )
    return kopf.AiohttpSession(
        server=connection.server,
        aiohttp_session=session,
        default_namespace=connection.namespace,
    )


def _expecting(name: str | None) -> aiohttp.ClientMiddlewareType:
    """Make each request of a session expect a certificate of this name; None: of the server's."""

    async def ask(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.server_hostname = name
        return await send(request)

    return ask
