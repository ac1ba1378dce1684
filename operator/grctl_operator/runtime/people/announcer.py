"""Announcer: writes core Events, which `kubectl describe` shows below an object.

1. The name of a core Event follows from its object and reason. So an operator that is started again
   goes on counting where the one before it stopped, and does not repeat a state that was announced.
2. Writing is best effort, and nothing waits for it. If the API server is away, the announcer waits.
   A core Event that is refused, or that fails MAX_WRITE_TRIES times, is logged and dropped.
3. Core Events are written one after the other, with a pause: the runs need the API server more.
4. In each namespace one core Event is written at a time. A write that lasts longer than
   WRITE_LINGER_S, or fails, holds up its own namespace only, where at most
   MAX_WAITING_PER_NAMESPACE wait behind it.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

from grctl.kube import (
    CORE_EVENTS,
    AlreadyExistsError,
    Api,
    ApiError,
    NotFoundError,
    UnreachableError,
)
from grctl.models import API_VERSION
from grctl_operator.runtime.outage import Outage
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.people.notices import CoreEvent, Name, Notice, Notices

COMPONENT = "grctl-operator"
WRITE_PAUSE_S = 0.02  # at most 50 core Events a second
WRITE_LINGER_S = 0.5  # a hundred times as long as a write takes
WRITE_BUDGET_S = 5.0  # for one try; a webhook that hangs takes ten seconds and more
MAX_WRITE_TRIES = 5
MAX_WAITING_PER_NAMESPACE = 100  # core Events behind the one that is being written
AWAY_STATUSES = frozenset({429, 503})  # of an API server that is away or has too much to do
MAX_TEXT_CHARS = 1024  # of a message: the API server refuses more
MAX_NAME_PART_CHARS = 230  # of the object's name, as a part of its core Event's name

Json = dict[str, Any]

logger = logging.getLogger(__name__)


class Announcer:
    """Writes core Events in the background."""

    def __init__(
        self, api: Api, metrics: Metrics, *, operator: str, now: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._operator = operator
        self._notices = Notices(now, asyncio.get_running_loop().time)
        self._news = asyncio.Event()
        self._lines: dict[str, deque[CoreEvent]] = {}
        """The core Events that wait, by each namespace in which one is being written."""
        self._writing: set[asyncio.Task[None]] = set()
        self._refused = False

    def announce(self, notice: Notice) -> None:
        """Write a core Event in the background, unless it is written already or too many wait."""
        if self._notices.add(notice):
            self._news.set()
        else:
            self._metrics.core_events.labels("dropped").inc()

    def on_jump(self, by: timedelta) -> None:
        """Note that the API server's clock jumped."""
        self._notices.on_jump(by)

    async def run(self) -> NoReturn:
        """Write what is due, until cancelled."""
        try:
            while True:
                core_event = self._notices.take()
                if core_event is None:
                    await self._await_news()
                elif not self._wait_in_line(core_event):
                    await self._begin(core_event)
        finally:
            for each in self._writing:
                each.cancel()

    def _wait_in_line(self, core_event: CoreEvent) -> bool:
        """Queue a core Event behind one that is being written in its namespace, if there is one."""
        line = self._lines.get(_namespace_of(core_event))
        if line is None:
            return False
        if len(line) < MAX_WAITING_PER_NAMESPACE:
            line.append(core_event)
        else:
            self._metrics.core_events.labels("dropped").inc()
        return True

    async def _begin(self, core_event: CoreEvent) -> None:
        """Start to write in a namespace. Wait for the end, but no longer than WRITE_LINGER_S."""
        namespace = _namespace_of(core_event)
        self._lines[namespace] = deque([core_event])
        writing = asyncio.create_task(self._write_line(namespace))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.wait({writing}, timeout=WRITE_LINGER_S)

    async def _write_line(self, namespace: str) -> None:
        line, outage = self._lines[namespace], Outage(f"write core events in {namespace}")
        try:
            while line:
                await self._write(line.popleft(), outage)
                await asyncio.sleep(WRITE_PAUSE_S)
        finally:
            del self._lines[namespace]

    async def _await_news(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(self._notices.due_in()):
                await self._news.wait()
        except TimeoutError:
            return

    async def _write(self, core_event: CoreEvent, outage: Outage) -> None:
        tries = 0
        while (error := await self._try(core_event)) is not None:
            tries += not _is_away(error)
            if tries == MAX_WRITE_TRIES or not _may_pass(error):
                self._drop(core_event, error)
                return
            await outage.pause(error)
        outage.over()
        self._refused = False

    async def _try(self, core_event: CoreEvent) -> ApiError | UnreachableError | None:
        """Try to write once. Return the error, if there was one."""
        try:
            async with asyncio.timeout(WRITE_BUDGET_S):
                await self._create_or_count_up(core_event)
        except TimeoutError:
            text = f"The core event was not written within {WRITE_BUDGET_S:g} s"
            return ApiError(504, "Timeout", text)
        except (ApiError, UnreachableError) as error:
            return error
        except Exception as error:
            logger.exception("core event failed", extra={"run": str(core_event.notice.of)})
            return ApiError(0, "Fault", str(error))
        return None

    async def _create_or_count_up(self, core_event: CoreEvent) -> None:
        """Create the core Event, or count it up if it exists."""
        path = CORE_EVENTS.path(core_event.notice.about["namespace"], _name_of(core_event.notice))
        try:
            if not core_event.count:
                await self._create(core_event)
            else:
                await self._count_up(path, core_event, core_event.count)
        except AlreadyExistsError:
            known = await self._api.get(path)
            if _shows(known, core_event.notice):
                core_event.on_write(known["count"])
            else:
                await self._count_up(path, core_event, known["count"])
        except NotFoundError:  # the API server keeps core Events for an hour
            await self._create(core_event)

    async def _create(self, core_event: CoreEvent) -> None:
        path = CORE_EVENTS.path(core_event.notice.about["namespace"])
        await self._api.create(path, self._body_of(core_event))
        self._on_write(core_event, core_event.notice.times)

    async def _count_up(self, path: str, core_event: CoreEvent, before: int) -> None:
        count = before + core_event.notice.times
        news = {"count": count, "lastTimestamp": _stamp(core_event.last)}
        await self._api.merge(path, news | {"message": _message(core_event.notice)})
        self._on_write(core_event, count)

    def _on_write(self, core_event: CoreEvent, count: int) -> None:
        core_event.on_write(count)
        self._metrics.core_events.labels("written").inc()

    def _drop(self, core_event: CoreEvent, error: Exception) -> None:
        """Drop a core Event. The first one of a row is logged as a warning, the others at debug."""
        self._metrics.core_events.labels("failed").inc()
        level = logging.DEBUG if self._refused else logging.WARNING
        self._refused = True
        notice = core_event.notice
        fields = {"run": str(notice.of), "reason": notice.reason, "error": str(error)}
        logger.log(level, "core event refused", extra=fields)

    def _body_of(self, core_event: CoreEvent) -> Json:
        notice = core_event.notice
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": _name_of(notice), "namespace": notice.about["namespace"]},
            "involvedObject": {"apiVersion": API_VERSION, **notice.about},
            "reason": notice.reason,
            "message": _message(notice),
            "type": "Warning" if notice.warning else "Normal",
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._operator,
            "firstTimestamp": _stamp(core_event.first),
            "lastTimestamp": _stamp(core_event.last),
            "count": notice.times,
        }


def _is_away(error: Exception) -> bool:
    """Return whether the API server is away: such a failure does not count as a try."""
    return isinstance(error, UnreachableError) or (
        isinstance(error, ApiError) and error.status in AWAY_STATUSES
    )


def _may_pass(error: Exception) -> bool:
    return isinstance(error, UnreachableError) or (isinstance(error, ApiError) and error.retriable)


def _namespace_of(core_event: CoreEvent) -> str:
    namespace: str = core_event.notice.about["namespace"]
    return namespace


def involved_object(kind: str, namespace: str, name: str, uid: str) -> Json:
    """Return the reference to the object that a core Event is about."""
    return {"kind": kind, "namespace": namespace, "name": name, "uid": uid}


def _name_of(notice: Notice) -> str:
    name: Name = notice.name
    digest = hashlib.sha256("/".join(name).encode()).hexdigest()[:16]
    return f"{notice.about['name'][:MAX_NAME_PART_CHARS].rstrip('.-')}.{digest}"


def _message(notice: Notice) -> str:
    text = notice.message
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[: MAX_TEXT_CHARS - 3]}..."


def _shows(known: Json, notice: Notice) -> bool:
    """Return whether a core Event of an operator before this one tells of the state."""
    told = datetime.fromisoformat(known["lastTimestamp"])
    return notice.since is not None and notice.since <= told


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
