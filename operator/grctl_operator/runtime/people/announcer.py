"""Announcer: writes core Events, by which `kubectl describe` tells what happens to an object.

1. The name of a core Event follows from its object and reason: an operator that starts anew goes on
   counting where the one before it stopped, and does not repeat a state that was told.
2. Best effort: an API server that is away is waited for. A core Event that is refused, or that
   fails MOST_TRIES times, is logged and left out. Nobody waits for it.
3. One after the other with a pause: telling people never takes the API server from the runs.
4. Of each namespace one core Event is written at a time. One that lasts longer than LINGER_S, or
   fails, holds up its own namespace only, where at most MOST_IN_LINE wait behind it.
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
from grctl_operator.runtime.people.notices import Name, Notice, Notices, Telling

COMPONENT = "grctl-operator"
PAUSE = 0.02  # s: at most 50 core Events a second
LINGER_S = 0.5  # a hundred times what a write takes
WRITE_BUDGET_S = 5.0  # for one try; a webhook that hangs takes ten seconds and more
MOST_TRIES = 5
MOST_IN_LINE = 100  # core Events of a namespace that wait behind one that is written
AWAY = frozenset({429, 503})  # statuses of an API server that is away or has too much to do
LONGEST = 1024  # characters of a message: the API server refuses more
LONGEST_NAME = 230  # characters of the object's name in that of its core Event

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
        self._lines: dict[str, deque[Telling]] = {}
        """What waits, by namespaces in which a core Event is being written."""
        self._writing: set[asyncio.Task[None]] = set()
        self._refused = False

    def announce(self, notice: Notice) -> None:
        """Have something said of an object, unless it is said already or too much is."""
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
                telling = self._notices.take()
                if telling is None:
                    await self._await_news()
                elif not self._stands_in_line(telling):
                    await self._begin(telling)
        finally:
            for each in self._writing:
                each.cancel()

    def _stands_in_line(self, telling: Telling) -> bool:
        """Queue it behind another one of its namespace, if one is being written."""
        line = self._lines.get(_namespace_of(telling))
        if line is None:
            return False
        if len(line) < MOST_IN_LINE:
            line.append(telling)
        else:
            self._metrics.core_events.labels("dropped").inc()
        return True

    async def _begin(self, telling: Telling) -> None:
        """Write it, and what comes to stand behind it; wait for that no longer than LINGER_S."""
        namespace = _namespace_of(telling)
        self._lines[namespace] = deque([telling])
        writing = asyncio.create_task(self._write_line(namespace))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.wait({writing}, timeout=LINGER_S)

    async def _write_line(self, namespace: str) -> None:
        line, outage = self._lines[namespace], Outage(f"write core events in {namespace}")
        try:
            while line:
                await self._write(line.popleft(), outage)
                await asyncio.sleep(PAUSE)
        finally:
            del self._lines[namespace]

    async def _await_news(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(self._notices.due_in()):
                await self._news.wait()
        except TimeoutError:
            return

    async def _write(self, telling: Telling, outage: Outage) -> None:
        tries = 0
        while (error := await self._try(telling)) is not None:
            tries += not _is_away(error)
            if tries == MOST_TRIES or not _may_pass(error):
                self._refuse(telling, error)
                return
            await outage.pause(error)
        outage.over()
        self._refused = False

    async def _try(self, telling: Telling) -> ApiError | UnreachableError | None:
        """Try once. Return what went wrong."""
        try:
            async with asyncio.timeout(WRITE_BUDGET_S):
                await self._tell(telling)
        except TimeoutError:
            text = f"The core event was not written within {WRITE_BUDGET_S:g} s"
            return ApiError(504, "Timeout", text)
        except (ApiError, UnreachableError) as error:
            return error
        except Exception as error:
            logger.exception("core event failed", extra={"run": str(telling.notice.of)})
            return ApiError(0, "Fault", str(error))
        return None

    async def _tell(self, telling: Telling) -> None:
        """Create the core Event, or count it up where it is there."""
        path = CORE_EVENTS.path(telling.notice.about["namespace"], _name_of(telling.notice))
        try:
            if not telling.count:
                await self._create(telling)
            else:
                await self._count_up(path, telling, telling.count)
        except AlreadyExistsError:
            known = await self._api.get(path)
            if _says(known, telling.notice):
                telling.wrote(known["count"])
            else:
                await self._count_up(path, telling, known["count"])
        except NotFoundError:  # the API server keeps core Events for an hour
            await self._create(telling)

    async def _create(self, telling: Telling) -> None:
        path = CORE_EVENTS.path(telling.notice.about["namespace"])
        await self._api.create(path, self._core_event(telling))
        self._wrote(telling, telling.notice.times)

    async def _count_up(self, path: str, telling: Telling, before: int) -> None:
        count = before + telling.notice.times
        news = {"count": count, "lastTimestamp": _stamp(telling.last)}
        await self._api.merge(path, news | {"message": _message(telling.notice)})
        self._wrote(telling, count)

    def _wrote(self, telling: Telling, count: int) -> None:
        telling.wrote(count)
        self._metrics.core_events.labels("written").inc()

    def _refuse(self, telling: Telling, error: Exception) -> None:
        """Leave a core Event out. Why is logged once for as long as nothing else happens."""
        self._metrics.core_events.labels("failed").inc()
        level = logging.DEBUG if self._refused else logging.WARNING
        self._refused = True
        notice = telling.notice
        fields = {"run": str(notice.of), "reason": notice.reason, "error": str(error)}
        logger.log(level, "core event refused", extra=fields)

    def _core_event(self, telling: Telling) -> Json:
        notice = telling.notice
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
            "firstTimestamp": _stamp(telling.first),
            "lastTimestamp": _stamp(telling.last),
            "count": notice.times,
        }


def _is_away(error: Exception) -> bool:
    """Return whether the API server is away, so that waiting for it costs no try."""
    return isinstance(error, UnreachableError) or (
        isinstance(error, ApiError) and error.status in AWAY
    )


def _may_pass(error: Exception) -> bool:
    return isinstance(error, UnreachableError) or (isinstance(error, ApiError) and error.retriable)


def _namespace_of(telling: Telling) -> str:
    namespace: str = telling.notice.about["namespace"]
    return namespace


def involved_object(kind: str, namespace: str, name: str, uid: str) -> Json:
    """Name the object that something is said of."""
    return {"kind": kind, "namespace": namespace, "name": name, "uid": uid}


def _name_of(notice: Notice) -> str:
    name: Name = notice.name
    digest = hashlib.sha256("/".join(name).encode()).hexdigest()[:16]
    return f"{notice.about['name'][:LONGEST_NAME].rstrip('.-')}.{digest}"


def _message(notice: Notice) -> str:
    text = notice.message
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _says(known: Json, notice: Notice) -> bool:
    """Say whether a core Event of an operator before us tells of a state already."""
    told = datetime.fromisoformat(known["lastTimestamp"])
    return notice.since is not None and notice.since <= told


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
