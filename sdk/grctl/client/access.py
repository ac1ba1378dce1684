"""The resources of one namespace, read, written and followed with retries.

1. A request without an answer, and one that may succeed later, is sent again. So a create may find
   the object that it has created itself: its caller sets a name or a mark before, and compares.
2. Following an object is level-triggered: a list, then a watch from there, and again when the
   stream ends. A state that is missed in between was not needed.
"""

import asyncio
import functools
import logging
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar, cast

from grctl.backoff import Backoff
from grctl.client.errors import CrdsMissingError
from grctl.kube import (
    API_REQUEST_TIMEOUT_S,
    Api,
    ApiError,
    ExpiredError,
    NotFoundError,
    Resource,
    UnreachableError,
    UntrustedServerError,
)

logger = logging.getLogger(__name__)

RETRY_PERIOD_S = 35.0  # no retry begins later. A request that times out after 30 s gets one
MAX_TRIES_PER_REQUEST = 8  # about five seconds with these delays: an API server restarts in them
FIRST_RETRY_DELAY_S = 0.1
LONGEST_RETRY_DELAY_S = 5.0
WATCH_TIMEOUT_S = 240  # then the server ends the stream, so a dead connection is noticed
WATCH_END_DELAY_S = 15  # for the end of the stream to arrive
CLIENT_PAGE_SIZE = 500  # objects, as with kubectl

ESCAPED = re.compile(r"[\\,=]")
BACKSLASH = r"\\\g<0>"
"""Field selectors want these characters escaped."""

Answer = TypeVar("Answer")
Json = dict[str, Any]
Sleep = Callable[[float], Awaitable[None]]


class Page(NamedTuple):
    """A page of a list, and its place in it."""

    items: list[Json]
    version: str
    """The revision of the whole list, from which it can be watched."""
    is_first: bool
    is_last: bool


class Access:
    """Requests about the objects of one namespace.

    Args:
        api: The API client, open.
        namespace: The namespace of all objects.
        retry_period: Seconds after which a failed request is not sent again.
        sleep: Sleeps for a number of seconds.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        *,
        retry_period: float = RETRY_PERIOD_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.namespace = namespace
        self._api = api
        self._retry_period = retry_period
        self._sleep = sleep
        self._beside: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Return a task that works beside its caller. It is cancelled when the client is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    async def close(self) -> None:
        """Cancel what works beside its callers."""
        for task in self._beside:
            task.cancel()
        if self._beside:
            await asyncio.wait(self._beside)

    async def read(self, resource: Resource, name: str) -> Json | None:
        """Return an object, or None if there is none."""
        path = resource.path(self.namespace, name)
        try:
            return await self._with_retries(lambda: self._api.get(path))
        except NotFoundError:
            return None

    async def select(self, resource: Resource, fields: Mapping[str, str]) -> list[Json]:
        """Return the objects whose selectable fields have these values, read page by page."""
        return [item async for page in self.pages(resource, fields) for item in page.items]

    async def pages(
        self, resource: Resource, fields: Mapping[str, str], size: int | None = None
    ) -> AsyncGenerator[Page, None]:
        """Yield the pages of the objects whose selectable fields have these values.

        Args:
            resource: Kind of the objects.
            fields: The values by the names of the fields.
            size: How many objects a page has, at most. None: CLIENT_PAGE_SIZE.

        Raises:
            ExpiredError: the list took so long that the API server forgot it.
        """
        params = {"limit": str(size or CLIENT_PAGE_SIZE), **_selector(fields)}
        path = resource.path(self.namespace)
        while True:
            answer = await self._with_retries(functools.partial(self._api.get, path, params))
            is_first = "continue" not in params
            params["continue"] = answer["metadata"].get("continue") or ""
            version = answer["metadata"]["resourceVersion"]
            yield Page(answer["items"], version, is_first, not params["continue"])
            if not params["continue"]:
                return

    async def changes(
        self, resource: Resource, fields: Mapping[str, str], size: int | None = None
    ) -> AsyncGenerator[Page | Json, None]:
        """Yield all objects whose selectable fields have these values, then each change of them.

        Yields:
            The pages of a list, at first and again after a stream has ended. Otherwise one watch
            event, `{"type": ..., "object": ...}`.
        """
        backoff = Backoff(FIRST_RETRY_DELAY_S, LONGEST_RETRY_DELAY_S)
        clock = asyncio.get_running_loop().time
        was_listed = False
        while True:
            began, version = clock(), ""
            try:
                async for page in self.pages(resource, fields, size):
                    version = page.version
                    yield page
                was_listed = True
                async with aclosing(self._events_from(resource, fields, version)) as stream:
                    async for event in stream:
                        yield event
            except ExpiredError as error:
                logger.debug("list begins anew", extra={"why": str(error)})
            except (ApiError, UnreachableError) as error:
                if not was_listed or not _is_retriable(error):
                    raise  # an outage is survived once it has worked
            if clock() - began > LONGEST_RETRY_DELAY_S:
                backoff.reset()
            await self._sleep(backoff.next())

    async def _events_from(
        self, resource: Resource, fields: Mapping[str, str], version: str
    ) -> AsyncGenerator[Json, None]:
        """Yield the events of a watch until its stream ends, or its connection is dead."""
        params = {
            **_selector(fields),
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_TIMEOUT_S),
        }
        watching = self._api.watch(resource.path(self.namespace), params)
        stream = cast("AsyncGenerator[Json, None]", watching)
        ends = asyncio.get_running_loop().time() + WATCH_TIMEOUT_S + WATCH_END_DELAY_S
        async with aclosing(stream):
            try:
                while True:
                    async with asyncio.timeout_at(ends):
                        event = await anext(stream)
                    yield event
            except StopAsyncIteration:
                return
            except (ExpiredError, TimeoutError) as error:
                logger.debug("watch ended", extra={"why": str(error)})

    async def named_everywhere(self, resource: Resource, name: str) -> list[Json]:
        """Return the objects of one name in all namespaces."""
        answer = await self._with_retries(
            lambda: self._api.get(resource.path(), _selector_of(name))
        )
        found: list[Json] = answer["items"]
        return found

    async def create(self, resource: Resource, body: Json) -> Json:
        """Create an object.

        Raises:
            AlreadyExistsError: there is one of that name, which this call itself may have created.
        """
        path = resource.path(self.namespace)
        return await self._with_retries(lambda: self._api.create(path, body))

    async def merge(self, resource: Resource, name: str, patch: Json) -> Json:
        """Apply a merge patch, which may be applied twice."""
        path = resource.path(self.namespace, name)
        return await self._with_retries(lambda: self._api.merge(path, patch))

    async def delete(self, resource: Resource, name: str, preconditions: Json) -> None:
        """Delete an object that fulfils the preconditions."""
        path = resource.path(self.namespace, name)
        await self._with_retries(lambda: self._api.delete(path, preconditions=preconditions))

    async def follow(
        self, resource: Resource, name: str, judge: Callable[[Json | None], Answer | None]
    ) -> Answer:
        """Follow an object until `judge` returns a value. Return that value.

        Args:
            resource: Kind of the object.
            name: Its name.
            judge: Is called with each state of the object, or None if there is none. It returns
                None to go on, and may raise.
        """
        loop = asyncio.get_running_loop()
        backoff = Backoff(FIRST_RETRY_DELAY_S, LONGEST_RETRY_DELAY_S)
        tries: float = MAX_TRIES_PER_REQUEST
        while True:
            seen, version = await self._list(resource, name, tries)
            found = judge(seen)
            began = loop.time()
            if found is None:
                found = await self._watch(resource, name, version, judge)
            if found is not None:
                return found
            tries = math.inf  # from now on an outage of any length is survived
            if loop.time() - began > LONGEST_RETRY_DELAY_S:
                backoff.reset()
            await self._sleep(backoff.next())

    async def _list(self, resource: Resource, name: str, tries: float) -> tuple[Json | None, str]:
        """Return the object and the revision to watch from. The object's own may be too old."""
        path = resource.path(self.namespace)
        answer = await self._with_retries(lambda: self._api.get(path, _selector_of(name)), tries)
        return next(iter(answer["items"]), None), answer["metadata"]["resourceVersion"]

    async def _watch(
        self,
        resource: Resource,
        name: str,
        version: str,
        judge: Callable[[Json | None], Answer | None],
    ) -> Answer | None:
        """Watch until `judge` returns a value. Return None if the stream ended before."""
        params = {
            **_selector_of(name),
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_TIMEOUT_S),
        }
        watching = self._api.watch(resource.path(self.namespace), params)
        stream = cast("AsyncGenerator[Json, None]", watching)
        try:
            async with asyncio.timeout(WATCH_TIMEOUT_S + WATCH_END_DELAY_S), aclosing(stream):
                async for event in stream:
                    found = judge(None if event["type"] == "DELETED" else event["object"])
                    if found is not None:
                        return found
        except (UnreachableError, ExpiredError, TimeoutError) as error:
            logger.debug("watch ended", extra={"why": str(error)})
        except ApiError as error:
            if not error.retriable:
                raise
        return None

    async def _with_retries(
        self, call: Callable[[], Awaitable[Answer]], tries: float = MAX_TRIES_PER_REQUEST
    ) -> Answer:
        backoff = Backoff(FIRST_RETRY_DELAY_S, LONGEST_RETRY_DELAY_S)
        clock = asyncio.get_running_loop().time
        until = clock() + (math.inf if tries == math.inf else self._retry_period)
        while True:
            try:
                return await call()
            except (ApiError, UnreachableError) as error:
                tries -= 1
                if tries <= 0 or clock() >= until or not _is_retriable(error):
                    raise _translated(error) from error.__cause__
                logger.debug("trying again", extra={"why": str(error)})
            await self._sleep(backoff.next())


def limits_of(request_timeout: float | None) -> tuple[float | None, float]:
    """Return the seconds that one request may take (None: any), and those of its retries.

    Args:
        request_timeout: The seconds that a user set; 0: any. None: the default.
    """
    if request_timeout is None:
        return API_REQUEST_TIMEOUT_S, RETRY_PERIOD_S
    return (request_timeout, request_timeout) if request_timeout else (None, math.inf)


def _selector(fields: Mapping[str, str]) -> dict[str, str]:
    terms = (f"{field}={ESCAPED.sub(BACKSLASH, value)}" for field, value in fields.items())
    return {"fieldSelector": ",".join(terms)}


def _selector_of(name: str) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={name}"}


def _is_retriable(error: ApiError | UnreachableError) -> bool:
    if isinstance(error, ApiError):
        return error.retriable
    return not isinstance(error, UntrustedServerError)


def _translated(error: Exception) -> Exception:
    """Return the error to raise. A 404 without a reason is a missing kind, not a missing object."""
    if isinstance(error, NotFoundError) and error.reason != "NotFound":
        return CrdsMissingError(
            "This cluster does not know the resources of grctl. Install them:"
            " grctl crds | kubectl apply -f -"
        )
    return error
