"""Report a blocked event loop to the operator, from a thread and without that loop."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import aiohttp

from grctl.logs.loggers import get_logger
from grctl.models.wire import BLOCKED_PATH, MAX_PLACE_CHARS, Blocked
from grctl.worker.lag import LoopBlockage
from grctl.worker.trouble import describe_failure
from grctl.worker.trust import TrustError, authorization, verification

REPORT_TIMEOUT_S = 4.0

logger = get_logger(__name__)


class Destination(NamedTuple):
    """The operator that welcomed the worker last."""

    url: str
    server_hostname: str | None
    """The host that its certificate must name; None if that is the host of the address."""


class Reporter:
    """Reports to the operator that welcomed the worker last.

    Args:
        instance: The worker's instance (see `Hello`).
        destination: Returns that operator; None if none has welcomed the worker.
    """

    def __init__(self, instance: str, destination: Callable[[], Destination | None]) -> None:
        self._instance = instance
        self._destination = destination

    def __call__(self, blockage: LoopBlockage) -> None:
        """Report a blockage.

        If that fails, the reason is logged. The operator takes a worker that neither answers nor
        reports for lost after a while.
        """
        to = self._destination()
        if to is None:
            return
        message = Blocked(
            instance=self._instance,
            execution=blockage.execution.id if blockage.execution else None,
            seconds=blockage.seconds,
            place=blockage.place[-MAX_PLACE_CHARS:],
            over=blockage.over,
        )
        try:
            asyncio.run(_post(to, message))
        except (aiohttp.ClientError, OSError, TimeoutError, TrustError) as error:
            fields = {"url": to.url, "why": describe_failure(error)}
            logger.warning("operator not told of the blocked event loop", extra=fields)


async def _post(to: Destination, message: Blocked) -> None:
    timeout = aiohttp.ClientTimeout(total=REPORT_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(
            to.url + BLOCKED_PATH,
            data=message.model_dump_json(by_alias=True, exclude_none=True),
            headers={"Content-Type": "application/json"} | authorization(to.url),
            ssl=verification(),
            server_hostname=to.server_hostname,
        ) as response,
    ):
        if response.status >= 400:
            fields = {"url": to.url, "status": response.status}
            logger.debug("operator does not take the report", extra=fields)
