"""Lists: a whole collection as of one moment, read in pages.

1. A page has at most PAGE_SIZE objects and PAGE_BYTES. A page that is larger is asked for again,
   with fewer objects.
2. If the definition of the objects is deleted, there are none. `is_gone` tells that from a 404 that
   something between the API server and the operator answered.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from grctl.kube import (
    ApiError,
    LargeAnswerError,
    NotFoundError,
    Resource,
    UnreachableError,
    UnreadableAnswerError,
)
from grctl_operator.views.reading import UnreadableError, revision_of

PAGE_SIZE = 500  # objects: what client-go asks for
PAGE_BYTES = 2 * 1024 * 1024  # unless it is of one object; parsed, up to 30 times as many
PAGE_SHRINK_FACTOR = 8  # so many times fewer objects are asked for after a page that was too large

Json = dict[str, Any]


class Source(Protocol):
    """The part of `grctl.kube.Api` that lists and watches use."""

    async def get(
        self,
        path: str,
        /,
        params: Mapping[str, str] | None = None,
        *,
        at_most: int | None = None,
    ) -> Json:
        """Read an object or a list of at most so many bytes."""

    def watch(self, path: str, /, params: Mapping[str, str]) -> AsyncIterator[Json]:
        """Yield the watch events of a collection."""


async def list_all(
    api: Source, path: str, params: Mapping[str, str] | None = None
) -> tuple[list[Json], int]:
    """List a collection as of one moment after the call. Return its objects and its revision."""
    items: list[Json] = []
    return items, await list_into(items.extend, api, path, params)


async def list_into(
    take: Callable[[list[Json]], None],
    api: Source,
    path: str,
    params: Mapping[str, str] | None = None,
) -> int:
    """List a collection as of one moment, and pass each page to `take`. Return its revision."""
    revision = 0
    async for page in list_pages(api, path, params):
        revision = _list_revision(path, page)
        items = page.pop("items", None)
        take([_without_managed_fields(item) for item in items] if isinstance(items, list) else [])
    return revision


def _list_revision(path: str, page: Json) -> int:
    try:
        return revision_of(page)
    except UnreadableError as error:
        raise UnreadableAnswerError(f"GET {path}: the list has no revision: {error}") from error


async def list_pages(
    api: Source, path: str, params: Mapping[str, str] | None = None, *, size: int = PAGE_SIZE
) -> AsyncIterator[Json]:
    """Yield the pages of a collection as of one moment."""
    asked = dict(params or {})
    limit = size
    while True:
        asked["limit"] = str(limit)
        try:
            page = await api.get(path, asked, at_most=PAGE_BYTES if limit > 1 else None)
        except LargeAnswerError:
            limit = max(1, limit // PAGE_SHRINK_FACTOR)
            continue
        if not isinstance(page.get("metadata"), dict):
            raise UnreadableAnswerError(f"GET {path}: the answer is not a list")
        token = page["metadata"].get("continue")
        yield page
        if not token:
            return
        asked["continue"] = token
        limit = min(size, 2 * limit)


def _without_managed_fields(item: Any) -> Any:
    """Drop `managedFields`: a third of a small object, and not used here."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return item


async def is_gone(api: Source, resource: Resource) -> bool:
    """Return whether the API server does not serve a resource, and so has no such objects."""
    try:
        served = await api.get(resource.prefix)
    except NotFoundError:
        return True
    except (ApiError, UnreachableError):
        return False
    return resource.plural not in {each["name"] for each in served.get("resources") or []}
