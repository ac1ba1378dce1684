"""The API server's clock, by which deadlines are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from grctl.kube import Api, Connection
from tests.lab.waiting import POLL_S


class ApiTime:
    """The time as the dates of the API server's answers tell it: in whole seconds."""

    def __init__(self, api: Api) -> None:
        self._api = api
        api.on_answer = self._answered
        self.last: datetime

    @classmethod
    @asynccontextmanager
    async def of(cls, kubeconfig: Path) -> AsyncIterator["ApiTime"]:
        """Ask the API server of a kubeconfig."""
        async with Api(await Connection.find(kubeconfig)) as api:
            yield cls(api)

    async def now(self) -> datetime:
        """Ask for the time."""
        await self._api.get("/version")
        return self.last

    async def until(self, moment: datetime) -> None:
        """Wait for a second to begin."""
        while await self.now() < moment:  # noqa: ASYNC110  a server cannot set our events
            await asyncio.sleep(POLL_S)

    def _answered(self, _took: float, date: datetime) -> None:
        self.last = date
