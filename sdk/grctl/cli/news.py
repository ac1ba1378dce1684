"""The news of a run while a command waits: its message whenever that changes, on standard error.

1. A message is written at most once a second, and not in the first second: a wait that ends at once
   needs no news, and no request is made for them.
2. News are an extra. An error in them ends them, never the command.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grctl.cli.failing import say
from grctl.cli.operators import is_taken_up, not_taken_up_message

if TYPE_CHECKING:
    from grctl.client.access import Access

NEWS_INTERVAL_S = 1.0  # a person does not read faster
INTERVALS_PER_LOOK = 10  # at the Lease, for a run that no operator has taken up

Json = dict[str, Any]


class News:
    """The newest status of a run, and the last message that was written.

    Args:
        access: The API, in the run's namespace.
        workflow_id: Its id. There may be no run yet.
        tell: Writes a line for a person.
        sleep: Sleeps for a number of seconds.
    """

    def __init__(
        self,
        access: "Access",
        workflow_id: str,
        tell: Callable[[str], None] = say,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._access = access
        self._id = workflow_id
        self._tell = tell
        self._sleep = sleep
        self._status: Json | None = None
        """The status that was seen last. None if there is no run, or it was not seen yet."""
        self._last = ""

    async def tell(self) -> None:
        """Write the changes of the run's message until cancelled."""
        await self._sleep(NEWS_INTERVAL_S)
        following = asyncio.create_task(self._follow())
        try:
            await self._write_changes()
        finally:
            following.cancel()
            await asyncio.wait({following})

    async def _follow(self) -> None:
        """Keep the newest status of the run."""
        from grctl.client import WorkflowError
        from grctl.kube import RUNS, ApiError, UnreachableError

        with contextlib.suppress(WorkflowError, ApiError, UnreachableError):
            await self._access.follow(RUNS, self._id, self._on_run)

    def _on_run(self, run: Json | None) -> None:
        self._status = None if run is None else run.get("status") or {}

    async def _write_changes(self) -> None:
        looks_in = 0
        while True:
            await self._sleep(NEWS_INTERVAL_S)
            if self._status is None:
                continue
            looks_in -= 1
            message = self._status.get("message")
            if is_taken_up(message, self._status.get("phase")):
                self._write_once(message or "")
            elif looks_in <= 0:
                looks_in = INTERVALS_PER_LOOK
                self._write_once(await self._not_taken_up_message())

    async def _not_taken_up_message(self) -> str:
        return await not_taken_up_message(self._access, self._access.namespace, datetime.now(UTC))

    def _write_once(self, text: str) -> None:
        if text and text != self._last:
            self._last = text
            self._tell(f"{self._id}: {text}")
