"""ListWatch: everything that happens to one kind of object, in the API server's order.

1. A list in pages, then a watch from the list's revision; a broken stream resumes at the last
   revision seen, an expired one (410) begins with a new list.
2. Objects are handed over synchronously, in stream order: one receiver, no tasks between.
3. A watch that is silent for SILENCE_S begins with a new list too. On an idle cluster that is
   normal: the API server sends no bookmark until its revision has moved past the one that was asked
   for. But the connection may be dead as well, and only a list tells one from the other.
4. Of a list the revision never falls. Where it does, the store was restored from a backup, and what
   we know may never have been: `StoreRestoredError`. Silence proves nothing of that kind, and
   neither does a stream: it may come from an API server that lags behind another one.
5. Where the definition of the objects is deleted there are none. That is an answer and no outage,
   for who may know it: with `may_vanish` it is told as an empty list, again and again.
6. A restored store shows only until its revision has passed ours. So whenever a stream broke, or
   ended early, a list of one object tells the revision before the next stream is opened.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, NoReturn, Protocol, cast

from grctl.kube import (
    ApiError,
    ExpiredError,
    LargeAnswerError,
    NotFoundError,
    Resource,
    UnreachableError,
    UnreadableAnswerError,
)
from grctl_operator.runtime.outage import FIRST, Outage, StoreRestoredError
from grctl_operator.views.reading import UnreadableError, revision_of

PAGE = 500  # objects: what client-go asks for
PAGE_BYTES = 2 * 1024 * 1024  # of one page, unless it is of one object; parsed, up to 30 times that
SMALLER = 8  # times fewer objects are asked for after a page that was too large
STREAM = 290  # s: below the five minutes at which load balancers cut a connection
STREAM_JITTER = 20  # s: so that streams opened together do not end together
SILENCE_S = 120.0  # two bookmarks that did not come
SILENCE_JITTER_S = 20.0  # so that watches opened together do not list together
EARLY = 0.9  # of STREAM: what ends before was not ended by the time that was asked for
GRAIN = 0.01  # of it: so much earlier a silence may be noticed

Json = dict[str, Any]


class _SilentError(Exception):
    """A watch was silent for so long that its connection may be dead."""


class _BehindError(Exception):
    """A stream tells of a revision below one that was seen."""


class Source(Protocol):
    """The part of `grctl.kube.Api` that is used here."""

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


class Receiver(Protocol):
    """Who is told. Called in order, never at the same time; must not wait."""

    def on_asking(self) -> None:
        """Note that a list is about to be asked for: it will show at least what is so now."""

    def on_page(self, items: list[Json]) -> None:
        """Take a part of what exists. It counts for nothing until the list is complete."""

    def on_list(self, revision: int) -> None:
        """Take it that what the pages have shown, since the asking, is all there is."""

    def on_change(self, change: str, item: Json) -> None:
        """Take one object that was ADDED, MODIFIED or DELETED."""

    def on_bookmark(self, revision: int) -> None:
        """Take note that nothing else happened up to this revision."""


async def list_all(
    api: Source, path: str, params: Mapping[str, str] | None = None
) -> tuple[list[Json], int]:
    """List a collection as of one moment not before the call. Give its objects and revision."""
    items: list[Json] = []
    return items, await list_into(items.extend, api, path, params)


async def list_into(
    take: Callable[[list[Json]], None],
    api: Source,
    path: str,
    params: Mapping[str, str] | None = None,
) -> int:
    """List a collection as of one moment, each page into `take`. Give its revision."""
    revision = 0
    async for page in list_pages(api, path, params):
        revision = _list_revision(path, page)
        items = page.pop("items", None)
        take([_without_owners(item) for item in items] if isinstance(items, list) else [])
    return revision


def _list_revision(path: str, page: Json) -> int:
    try:
        return revision_of(page)
    except UnreadableError as error:
        raise UnreadableAnswerError(f"GET {path}: the list has no revision: {error}") from error


async def list_pages(
    api: Source, path: str, params: Mapping[str, str] | None = None, *, size: int = PAGE
) -> AsyncIterator[Json]:
    """List a collection as of one moment, a page of at most PAGE_BYTES at a time."""
    asked = dict(params or {})
    limit = size
    while True:
        asked["limit"] = str(limit)
        try:
            page = await api.get(path, asked, at_most=PAGE_BYTES if limit > 1 else None)
        except LargeAnswerError:
            limit = max(1, limit // SMALLER)
            continue
        if not isinstance(page.get("metadata"), dict):
            raise UnreadableAnswerError(f"GET {path}: the answer is not a list")
        token = page["metadata"].get("continue")
        yield page
        if not token:
            return
        asked["continue"] = token
        limit = min(size, 2 * limit)


def _without_owners(item: Any) -> Any:
    """Drop what says who wrote which field: a third of a small object, and nothing here asks."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return item


async def is_gone(api: Source, resource: Resource) -> bool:
    """Return whether the API server serves no such resource, and so has no such objects.

    A 404 of a list alone does not tell: something between may have answered it.
    """
    try:
        served = await api.get(resource.prefix)
    except NotFoundError:
        return True
    except (ApiError, UnreachableError):
        return False
    return resource.plural not in {each["name"] for each in served.get("resources") or []}


class ListWatch:
    """The list and the watch of one collection.

    Args:
        on_restart: Is told why a stream is opened anew: `ended`, `broken`, `expired` or `silent`.
    """

    def __init__(
        self,
        api: Source,
        path: str,
        receiver: Receiver,
        *,
        on_restart: Callable[[str], None],
        selector: str | None = None,
        may_vanish: Resource | None = None,
        silence: float | None = None,
        outage: Outage | None = None,
    ) -> None:
        self.listed = asyncio.Event()
        """Set when the first list is complete."""
        self.tried = asyncio.Event()
        """Set when the first list is complete, or was refused."""
        self.trouble: str | None = None
        """Why the last request failed; None: it did not."""
        self.revision = 0
        """How far the stream has come."""
        self._on_restart = on_restart
        self._api = api
        self._path = path
        self._receiver = receiver
        self._params = {"fieldSelector": selector} if selector else {}
        self._may_vanish = may_vanish
        self._silence = silence or SILENCE_S + random.random() * SILENCE_JITTER_S  # noqa: S311
        self._outage = outage or Outage(f"watch {path}", patient=True)
        self._heard = 0.0
        self._listed_at = 0.0

    async def run(self) -> NoReturn:
        """List and watch until cancelled.

        Raises:
            StoreRestoredError: the API server is behind what it told before.
        """
        while True:
            await self._list()
            await self._watch_until_lost()

    async def _list(self) -> None:
        revision = await self._list_in_the_end()
        self._check(revision)
        self._receiver.on_list(revision)
        self.revision = revision
        self.listed.set()
        self.tried.set()
        self._hear()
        self._listed_at = self._heard

    async def _list_in_the_end(self) -> int:
        while True:
            self._receiver.on_asking()
            try:
                return await list_into(self._receiver.on_page, self._api, self._path, self._params)
            except ExpiredError:
                continue  # the pages took longer than the API server keeps a revision
            except (UnreachableError, ApiError) as error:
                if await self._is_gone(error):
                    self._receiver.on_list(self.revision)
                    self.listed.set()
                await self._pause(error)

    async def _is_gone(self, error: Exception) -> bool:
        if self._may_vanish is None or not isinstance(error, NotFoundError):
            return False
        return await is_gone(self._api, self._may_vanish)

    async def _watch_until_lost(self) -> None:
        """Watch until only a new list can tell what is so."""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                heard = await self._stream()
            except _SilentError:
                self._on_restart("silent")
                return
            except _BehindError:
                self._on_restart("expired")
                return
            except (UnreachableError, ApiError) as error:
                if await self._is_lost(error):
                    return
                await self._check_store()
                continue
            self._on_restart("ended")
            if not heard:
                await asyncio.sleep(FIRST)  # a server that ends each stream at once
            if asyncio.get_running_loop().time() - began < STREAM * EARLY:
                await self._check_store()

    async def _check_store(self) -> None:
        """Compare the API server's present revision with ours (rule 6)."""
        while True:
            try:
                page = await self._api.get(self._path, {"limit": "1"})
            except NotFoundError:
                return  # the next stream finds out whether the definition is deleted
            except (UnreachableError, ApiError) as error:
                await self._pause(error)
            else:
                self._check(int(page["metadata"]["resourceVersion"]))
                return

    async def _is_lost(self, error: UnreachableError | ApiError) -> bool:
        """Pause as the error asks for. Return whether the watch can only begin with a list."""
        lost = isinstance(error, ExpiredError | NotFoundError) or _is_of_the_future(error)
        self._on_restart("expired" if lost else "broken")
        if not isinstance(error, ExpiredError):
            await self._pause(error)
        elif self._heard == self._listed_at:
            await asyncio.sleep(FIRST)  # a server that forgets each revision at once
        return lost

    async def _stream(self) -> bool:
        """Receive one stream to its end. Give whether anything came."""
        seconds = STREAM + random.randrange(STREAM_JITTER)  # noqa: S311
        params = self._params | {
            "resourceVersion": str(self.revision),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        heard = False
        watch = cast("AsyncGenerator[Json, None]", self._api.watch(self._path, params))
        try:
            async with aclosing(watch) as stream, asyncio.timeout_at(self._silent_at) as limit:
                async for message in stream:
                    self._receive(message["type"], message["object"])
                    self._put_off(limit)
                    heard = True
        except TimeoutError as error:
            raise _SilentError from error
        return heard

    @property
    def _silent_at(self) -> float:
        return self._heard + self._silence

    def _put_off(self, limit: asyncio.Timeout) -> None:
        """Wait for the next message as long as for this one; a timer for each would cost more."""
        if self._silent_at - (limit.when() or 0.0) > self._silence * GRAIN:
            limit.reschedule(self._silent_at)

    def _receive(self, change: str, item: Json) -> None:
        self._hear()
        try:
            revision = revision_of(item)
        except UnreadableError:
            self._receiver.on_change(change, item)  # it tells of it; there is no progress to note
            return
        if revision < self.revision:
            raise _BehindError
        if change == "BOOKMARK":
            self._receiver.on_bookmark(revision)
        else:
            self._receiver.on_change(change, item)
        self.revision = revision

    def _check(self, revision: int) -> None:
        if revision < self.revision:
            raise StoreRestoredError(
                f"The API server is at revision {revision} of {self._path} and was at"
                f" {self.revision} before: its store was restored from a backup."
            )

    def _hear(self) -> None:
        self.trouble = None
        self._heard = asyncio.get_running_loop().time()
        self._outage.over()

    async def _pause(self, error: UnreachableError | ApiError) -> None:
        self.trouble = str(error)
        if isinstance(error, ApiError):
            self.tried.set()
        await self._outage.pause(error)
        self._heard = asyncio.get_running_loop().time()  # while it is away, silence is no news


def _is_of_the_future(error: Exception) -> bool:
    """Return whether the API server has not come to the revision asked for.

    One of several may lag behind the one that told it. A restored store's list shows what it is.
    """
    return isinstance(error, ApiError) and "Too large resource version" in error.message
