"""The API server's clock, which decides on deadlines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from grctl.kube import Api, Connection
from tests.lab.waiting import POLL_S


class ApiTime:
    """The time of the API server's answers, by their `Date` header: whole seconds."""

    def __init__(self, connection: Connection) -> None:
        self._api = Api(connection, on_answer=self._on_answer)
        self.last: datetime

    @classmethod
    @asynccontextmanager
    async def of(cls, kubeconfig: Path) -> AsyncIterator["ApiTime"]:
        """Use the API server of a kubeconfig."""
        made = cls(await Connection.find(kubeconfig))
        async with made._api:
            yield made

    async def now(self) -> datetime:
        """Return the time."""
        await self._api.get("/version")
        return self.last

    async def until(self, moment: datetime) -> None:
        """Wait until a moment."""
        while await self.now() < moment:  # noqa: ASYNC110  a server cannot set our events
            await asyncio.sleep(POLL_S)

    def _on_answer(self, _took: float, date: datetime) -> None:
        self.last = date
