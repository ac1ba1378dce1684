"""The resources of one namespace, read, written and followed with patience.

1. A request without an answer, and one that may pass later, is made again. So a create may meet
   what it created itself: its caller made a name or a mark before, and looks.
2. Following an object is level-triggered: a list, then a watch from there, and again when the
   stream ends. What is missed in between was not needed.
"""

import asyncio
import functools
import logging
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar, cast

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

PATIENCE = 35.0  # s: past this a request is not made again; once more after one without answer
TRIES = 8  # with the waits below about five seconds: a restarting API server's worth
FIRST_WAIT = 0.1  # s
LONGEST_WAIT = 5.0  # s
WATCH = 240  # s: then the server ends the stream; a connection that died in silence shows by it
PAGE = 500  # objects: as kubectl lists
SLACK = 15  # s: for the server to do so

ESCAPED = re.compile(r"[\\,=]")
BACKSLASH = r"\\\g<0>"
"""What field selectors want before these characters."""

T = TypeVar("T")
Json = dict[str, Any]
Sleep = Callable[[float], Awaitable[None]]


class Access:
    """Requests about the objects of one namespace.

    Args:
        api: The API client, open.
        namespace: The namespace of all objects.
        patience: Seconds after which a request that failed is not made again.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        *,
        patience: float = PATIENCE,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.namespace = namespace
        self._api = api
        self._patience = patience
        self._sleep = sleep

    async def read(self, resource: Resource, name: str) -> Json | None:
        """Give an object, or None where there is none."""
        path = resource.path(self.namespace, name)
        try:
            return await self._patiently(lambda: self._api.get(path))
        except NotFoundError:
            return None

    async def select(self, resource: Resource, fields: Mapping[str, str]) -> list[Json]:
        """Give the objects whose selectable fields have these values, read page by page."""
        terms = (f"{field}={ESCAPED.sub(BACKSLASH, value)}" for field, value in fields.items())
        params = {"limit": str(PAGE), "fieldSelector": ",".join(terms)}
        path, found = resource.path(self.namespace), []
        while True:
            page = await self._patiently(functools.partial(self._api.get, path, params))
            found += page["items"]
            params["continue"] = page["metadata"].get("continue") or ""
            if not params["continue"]:
                return found

    async def named_everywhere(self, resource: Resource, name: str) -> list[Json]:
        """Return the objects of one name in all namespaces."""
        answer = await self._patiently(lambda: self._api.get(resource.path(), _only(name)))
        found: list[Json] = answer["items"]
        return found

    async def create(self, resource: Resource, body: Json) -> Json:
        """Create an object.

        Raises:
            AlreadyExistsError: there is one of that name, which this very call may have created.
        """
        path = resource.path(self.namespace)
        return await self._patiently(lambda: self._api.create(path, body))

    async def merge(self, resource: Resource, name: str, patch: Json) -> Json:
        """Apply a merge patch, one that can be applied twice."""
        path = resource.path(self.namespace, name)
        return await self._patiently(lambda: self._api.merge(path, patch))

    async def delete(self, resource: Resource, name: str, preconditions: Json) -> None:
        """Delete an object of which these are true."""
        path = resource.path(self.namespace, name)
        await self._patiently(lambda: self._api.delete(path, preconditions=preconditions))

    async def follow(
        self, resource: Resource, name: str, judge: Callable[[Json | None], T | None]
    ) -> T:
        """Follow an object until `judge` gives something, and give that.

        Args:
            resource: Kind of the object.
            name: Its name.
            judge: Is shown each state of the object, None where there is none; gives None to go
                on, and may raise.
        """
        loop = asyncio.get_running_loop()
        backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        tries: float = TRIES
        while True:
            seen, version = await self._list(resource, name, tries)
            found = judge(seen)
            began = loop.time()
            if found is None:
                found = await self._watch(resource, name, version, judge)
            if found is not None:
                return found
            tries = math.inf  # it was there: whoever waits for hours survives an outage
            if loop.time() - began > LONGEST_WAIT:
                backoff.reset()
            await self._sleep(backoff.next())

    async def _list(self, resource: Resource, name: str, tries: float) -> tuple[Json | None, str]:
        """Give the object and the revision to watch from, which its own may be too old for."""
        path = resource.path(self.namespace)
        answer = await self._patiently(lambda: self._api.get(path, _only(name)), tries)
        return next(iter(answer["items"]), None), answer["metadata"]["resourceVersion"]

    async def _watch(
        self,
        resource: Resource,
        name: str,
        version: str,
        judge: Callable[[Json | None], T | None],
    ) -> T | None:
        """Watch until `judge` gives something; None where the stream ended before."""
        params = {**_only(name), "resourceVersion": version, "timeoutSeconds": str(WATCH)}
        watching = self._api.watch(resource.path(self.namespace), params)
        stream = cast("AsyncGenerator[Json, None]", watching)
        try:
            async with asyncio.timeout(WATCH + SLACK), aclosing(stream):
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

    async def _patiently(self, call: Callable[[], Awaitable[T]], tries: float = TRIES) -> T:
        backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        clock = asyncio.get_running_loop().time
        until = clock() + (math.inf if tries == math.inf else self._patience)
        while True:
            try:
                return await call()
            except (ApiError, UnreachableError) as error:
                tries -= 1
                if tries <= 0 or clock() >= until or not _may_pass(error):
                    raise _explained(error) from error.__cause__
                logger.debug("trying again", extra={"why": str(error)})
            await self._sleep(backoff.next())


def limits_of(request_timeout: float | None) -> tuple[float | None, float]:
    """Return the seconds that one request may take (None: any), and those of patience with it.

    Args:
        request_timeout: What was asked for; 0 for any length, None for what is usual.
    """
    if request_timeout is None:
        return API_REQUEST_TIMEOUT_S, PATIENCE
    return (request_timeout, request_timeout) if request_timeout else (None, math.inf)


def _only(name: str) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={name}"}


def _may_pass(error: ApiError | UnreachableError) -> bool:
    if isinstance(error, ApiError):
        return error.retriable
    return not isinstance(error, UntrustedServerError)


def _explained(error: Exception) -> Exception:
    """Tell a missing kind (404 without a reason) from a missing object."""
    if isinstance(error, NotFoundError) and error.reason != "NotFound":
        return CrdsMissingError(
            "This cluster does not know the resources of grctl. Install them:"
            " grctl crds | kubectl apply -f -"
        )
    return error
