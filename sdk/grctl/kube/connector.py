"""The connections of one client: none of them outlives it.

aiohttp closes the connection of an interrupted request by an exchange with the server, and does not
wait for it. A loop that ends directly afterwards would leave the connection open.
"""

import asyncio
from typing import Any
from weakref import WeakSet

import aiohttp


class Connector(aiohttp.TCPConnector):
    """A connector that keeps track of its connections until they are closed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._transports: WeakSet[asyncio.Transport] = WeakSet()

    async def connect(self, *arguments: Any, **settings: Any) -> aiohttp.connector.Connection:
        """Return a connection from the pool, or a new one."""
        connection = await super().connect(*arguments, **settings)
        if connection.transport is not None:
            self._transports.add(connection.transport)
        return connection

    async def close(self, **settings: Any) -> None:
        """Close all connections, also those that are still being closed."""
        await super().close(**settings)
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)  # they close in the loop's next round
