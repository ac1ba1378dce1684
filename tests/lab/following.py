"""Following one object of the API until it is as it should be."""

import asyncio
from collections.abc import Callable
from typing import Any

from grctl.client.access import Access
from grctl.kube import Resource

Json = dict[str, Any]


async def followed(
    access: Access,
    resource: Resource,
    name: str,
    judge: Callable[[Json | None], Any],
    patience: float,
) -> Any:
    """Follow an object until `judge` gives something, and give that. It is None while not there.

    Raises:
        AssertionError: it did not come to that in so many seconds; says what it is.
    """
    seen: list[Json | None] = [None]

    def watched(item: Json | None) -> Any:
        seen[0] = item
        return judge(item)

    try:
        async with asyncio.timeout(patience):
            return await access.follow(resource, name, watched)
    except TimeoutError:
        raise AssertionError(f"after {patience:g} s {name} is {seen[0]}") from None
