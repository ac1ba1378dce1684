"""ListWatch: everything that happens to one kind of object, in the API server's order.

1. It reads a list in pages, then watches from the list's revision. A broken stream resumes at the
   last revision seen. After an expired revision (410) it begins with a new list.
2. Objects are handed over synchronously, in stream order: one receiver, no tasks between.
3. A watch that is silent for SILENCE_S begins with a new list too. On an idle cluster silence is
   normal: the API server sends no bookmark until its revision has moved past the one that was asked
   for. But the connection may be dead as well, and only a list tells one from the other.
4. The revision of a list never falls. If it does, the store was restored from a backup, and what
   the operator knows may never have been: `StoreRestoredError`. Silence is not a proof of that, and
   neither is a stream: it may come from an API server that lags behind another one.
5. If the definition of the objects is deleted, there are none. With `may_vanish` the receiver gets
   that as an empty list, again at each try.
6. A restored store is recognized only until its revision has passed the last one seen. So whenever
   a stream broke, or ended early, a list of one object tells the revision before the next stream is
   opened.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NoReturn, Protocol, cast

from grctl.kube import (
    ApiError,
    ExpiredError,
    NotFoundError,
    Resource,
    UnreachableError,
)
from grctl_operator.runtime.outage import FIRST_API_PAUSE_S, Outage, StoreRestoredError
from grctl_operator.runtime.watch.lists import Source, is_gone, list_into
from grctl_operator.views.reading import UnreadableError, revision_of

STREAM_S = 290  # below the five minutes after which load balancers cut a connection
STREAM_JITTER_S = 20  # so that streams opened together do not end together
SILENCE_S = 120.0  # two bookmarks that did not come
SILENCE_JITTER_S = 20.0  # so that watches opened together do not list together
FULL_STREAM_SHARE = 0.9  # of STREAM_S: a stream that lasted less did not end at the time asked for
SILENCE_GRAIN_SHARE = 0.01  # of the silence allowed: so much too early it may be noticed

Json = dict[str, Any]


class _SilentError(Exception):
    """A watch was silent for so long that its connection may be dead."""


class _BehindError(Exception):
    """A stream shows a revision below one that was seen."""


class Receiver(Protocol):
    """Gets what a list and a watch show. Called in order, never at the same time; must not wait."""

    def on_asking(self) -> None:
        """Note that a list is about to be asked for: it will show at least the present state."""

    def on_page(self, items: list[Json]) -> None:
        """Take a part of a list. It counts for nothing until the list is complete."""

    def on_list(self, revision: int) -> None:
        """Note that the list is complete: nothing exists beside the pages since the asking."""

    def on_change(self, change: str, item: Json) -> None:
        """Take one object that was ADDED, MODIFIED or DELETED."""

    def on_bookmark(self, revision: int) -> None:
        """Note that nothing else happened up to this revision."""


class ListWatch:
    """The list and the watch of one collection.

    Args:
        api: Where to ask.
        path: Of the collection.
        receiver: Gets what happens.
        selector: Field selector; None: all objects.
        may_vanish: The resource, if its definition may be deleted: see 5.
        on_restart: Gets the cause of each new stream: `ended`, `broken`, `expired` or `silent`.
        silence: The seconds after which a watch counts as silent; for tests.
        outage: Pauses after failures; for tests.
    """

    def __init__(
        self,
        api: Source,
        path: str,
        receiver: Receiver,
        *,
        selector: str | None = None,
        may_vanish: Resource | None = None,
        on_restart: Callable[[str], None],
        silence: float | None = None,
        outage: Outage | None = None,
    ) -> None:
        self.listed = asyncio.Event()
        """Set when the first list is complete."""
        self.tried = asyncio.Event()
        """Set when the first list is complete, or was refused."""
        self.trouble: str | None = None
        """Why the last request failed; None: it succeeded."""
        self.revision = 0
        """How far the stream has come."""
        self._api = api
        self._path = path
        self._receiver = receiver
        self._params = {"fieldSelector": selector} if selector else {}
        self._may_vanish = may_vanish
        self._on_restart = on_restart
        self._silence = silence or SILENCE_S + random.random() * SILENCE_JITTER_S  # noqa: S311
        self._outage = outage or Outage(f"watch {path}", patient=True)
        self._last_message_at = 0.0
        self._list_ended_at = 0.0

    async def run(self) -> NoReturn:
        """List and watch until cancelled.

        Raises:
            StoreRestoredError: the API server is behind what it told before.
        """
        while True:
            await self._list()
            await self._watch_until_lost()

    async def _list(self) -> None:
        revision = await self._list_until_complete()
        self._check_revision(revision)
        self._receiver.on_list(revision)
        self.revision = revision
        self.listed.set()
        self.tried.set()
        self._note_message()
        self._list_ended_at = self._last_message_at

    async def _list_until_complete(self) -> int:
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
        """Watch until only a new list can show the present state."""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                any_came = await self._stream()
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
            if not any_came:
                await asyncio.sleep(FIRST_API_PAUSE_S)  # a server that ends each stream at once
            if asyncio.get_running_loop().time() - began < STREAM_S * FULL_STREAM_SHARE:
                await self._check_store()

    async def _check_store(self) -> None:
        """Compare the API server's present revision with the last one seen: see 6."""
        while True:
            try:
                page = await self._api.get(self._path, {"limit": "1"})
            except NotFoundError:
                return  # the next stream tells whether the definition is deleted
            except (UnreachableError, ApiError) as error:
                await self._pause(error)
            else:
                self._check_revision(int(page["metadata"]["resourceVersion"]))
                return

    async def _is_lost(self, error: UnreachableError | ApiError) -> bool:
        """Pause after an error. Return whether the watch can only go on with a new list."""
        lost = isinstance(error, ExpiredError | NotFoundError) or _is_of_the_future(error)
        self._on_restart("expired" if lost else "broken")
        if not isinstance(error, ExpiredError):
            await self._pause(error)
        elif self._last_message_at == self._list_ended_at:
            await asyncio.sleep(FIRST_API_PAUSE_S)  # a server that forgets each revision at once
        return lost

    async def _stream(self) -> bool:
        """Receive one stream to its end. Return whether it brought anything."""
        seconds = STREAM_S + random.randrange(STREAM_JITTER_S)  # noqa: S311
        params = self._params | {
            "resourceVersion": str(self.revision),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        any_came = False
        watch = cast("AsyncGenerator[Json, None]", self._api.watch(self._path, params))
        try:
            async with aclosing(watch) as stream, asyncio.timeout_at(self._silent_at) as limit:
                async for message in stream:
                    self._receive(message["type"], message["object"])
                    self._extend(limit)
                    any_came = True
        except TimeoutError as error:
            raise _SilentError from error
        return any_came

    @property
    def _silent_at(self) -> float:
        return self._last_message_at + self._silence

    def _extend(self, limit: asyncio.Timeout) -> None:
        """Wait for the next message as long as for this one. A timer for each would cost more."""
        if self._silent_at - (limit.when() or 0.0) > self._silence * SILENCE_GRAIN_SHARE:
            limit.reschedule(self._silent_at)

    def _receive(self, change: str, item: Json) -> None:
        self._note_message()
        try:
            revision = revision_of(item)
        except UnreadableError:
            self._receiver.on_change(change, item)  # which reports it; there is no progress to note
            return
        if revision < self.revision:
            raise _BehindError
        if change == "BOOKMARK":
            self._receiver.on_bookmark(revision)
        else:
            self._receiver.on_change(change, item)
        self.revision = revision

    def _check_revision(self, revision: int) -> None:
        if revision < self.revision:
            raise StoreRestoredError(
                f"The API server is at revision {revision} of {self._path} and was at"
                f" {self.revision} before: its store was restored from a backup."
            )

    def _note_message(self) -> None:
        self.trouble = None
        self._last_message_at = asyncio.get_running_loop().time()
        self._outage.over()

    async def _pause(self, error: UnreachableError | ApiError) -> None:
        self.trouble = str(error)
        if isinstance(error, ApiError):
            self.tried.set()
        await self._outage.pause(error)
        # Silence during the outage proves nothing.
        self._last_message_at = asyncio.get_running_loop().time()


def _is_of_the_future(error: Exception) -> bool:
    """Return whether the API server has not reached the revision asked for.

    One of several API servers may lag behind the one that showed this revision. If the store was
    restored instead, the next list tells.
    """
    return isinstance(error, ApiError) and "Too large resource version" in error.message
