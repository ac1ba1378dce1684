"""Waiting for a state, with a deadline: of anything, or of one object of the API."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from grctl.client.access import Access
from grctl.kube import Api, Resource

PATIENCE_S = 45.0  # for one state to come, on a machine that is busy with other things
POLL_S = 0.01
NAMESPACES = Resource("/api/v1", "namespaces")

Json = dict[str, Any]


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]],
    what: str,
    evidence: Callable[[], str] = lambda: "",
    patience: float = PATIENCE_S,
) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: it did not hold in time; the text names it and shows the evidence.
    """
    try:
        async with asyncio.timeout(None if patience == math.inf else patience):
            while not await _now(holds):  # noqa: ASYNC110  other processes cannot set our events
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {patience:g} s: {what}\n{evidence()}") from None


async def _now(holds: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = holds()
    return answer if isinstance(answer, bool) else await answer


async def follow(
    access: Access,
    resource: Resource,
    name: str,
    judge: Callable[[Json | None], Any],
    patience: float,
) -> Any:
    """Follow an object until `judge` returns something but None, and return that.

    `judge` is given None while there is no such object.

    Raises:
        AssertionError: nothing came in so many seconds; the text shows the object.
    """
    seen: list[Json | None] = [None]

    def watch(item: Json | None) -> Any:
        seen[0] = item
        return judge(item)

    try:
        async with asyncio.timeout(patience):
            return await access.follow(resource, name, watch)
    except TimeoutError:
        raise AssertionError(f"after {patience:g} s {name} is {seen[0]}") from None


class Waiting:
    """The waits of a lab for the objects of its namespace, and for the namespace itself."""

    patience_s: ClassVar[float] = PATIENCE_S
    """For one state to come."""
    api: Api
    namespace: str

    async def until_gone(
        self, resource: Resource, name: str, patience: float | None = None
    ) -> None:
        """Wait until there is no such object."""
        await self.until(resource, name, lambda item: True if item is None else None, patience)

    async def until(
        self,
        resource: Resource,
        name: str,
        judge: Callable[[Json | None], Any],
        patience: float | None = None,
    ) -> Any:
        """Follow an object until `judge` returns something but None: see `follow`."""
        access = Access(self.api, "" if resource is NAMESPACES else self.namespace)
        return await follow(access, resource, name, judge, patience or self.patience_s)
