"""Tells the operator that the event loop is blocked, from a thread and without that loop."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import aiohttp

from grctl.logs.loggers import get_logger
from grctl.models.wire import BLOCKED_PATH, MAX_PLACE_CHARS, Blocked
from grctl.worker.lag import LoopBlockage
from grctl.worker.trouble import in_words
from grctl.worker.trust import TrustError, authorization, verification

REPORT_TIMEOUT_S = 4.0

logger = get_logger(__name__)


class Destination(NamedTuple):
    """The operator that welcomed the worker last."""

    url: str
    server_hostname: str | None
    """What its certificate must name; None: the host of the address."""


class Reporter:
    """Tells one operator.

    Args:
        instance: Which process of the worker this is.
        destination: Says where to; None: nobody has welcomed this worker.
    """

    def __init__(self, instance: str, destination: Callable[[], Destination | None]) -> None:
        self._instance = instance
        self._destination = destination

    def __call__(self, blockage: LoopBlockage) -> None:
        """Tell it, or log why it cannot be told: then the worker is lost after a while."""
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
            fields = {"url": to.url, "why": in_words(error)}
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
