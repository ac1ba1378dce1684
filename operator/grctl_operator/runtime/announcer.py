"""Announcer: core Events, by which `kubectl describe` tells people what happens to an object.

1. The same is not said twice of an object: one core Event per (uid, reason).
2. Best effort: what cannot be written is logged and left out; nobody waits for it.
3. One after the other with a pause: telling people never takes the API server from the runs.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, NoReturn

from grctl.kube import CORE_EVENTS, Api, ApiError, UnreachableError
from grctl.models import API_VERSION
from grctl_operator.runtime.metrics import Metrics

COMPONENT = "grctl-operator"
REMEMBERED = 10_000  # (uid, reason): about 1 MB
WAITING = 1_000  # core Events: what is more would come too late to be news
PAUSE = 0.02  # s: at most 50 core Events a second
LONGEST = 1024  # characters of a message: the API server refuses more

Json = dict[str, Any]

logger = logging.getLogger(__name__)


class Announcer:
    """Writes core Events in the background."""

    def __init__(self, api: Api, metrics: Metrics, *, operator: str) -> None:
        self._api = api
        self._metrics = metrics
        self._operator = operator
        self._said: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._waiting: asyncio.Queue[Json] = asyncio.Queue(WAITING)

    def announce(self, involved: Json, reason: str, message: str, *, warning: bool = False) -> None:
        """Have something said of an object: kind, namespace, name and uid in `involved`."""
        saying = (involved["uid"], reason)
        if saying in self._said or self._waiting.full():
            return
        self._said[saying] = None
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        self._waiting.put_nowait(self._core_event(involved, reason, message, warning=warning))

    async def run(self) -> NoReturn:
        """Write what waits, until cancelled."""
        while True:
            body = await self._waiting.get()
            path = CORE_EVENTS.path(body["metadata"]["namespace"])
            try:
                await self._api.create(path, body)
                self._metrics.core_events.labels("written").inc()
            except (ApiError, UnreachableError) as error:
                self._metrics.core_events.labels("failed").inc()
                fields = {"reason": body["reason"], "error": str(error)}
                logger.warning("core event not written", extra=fields)
            await asyncio.sleep(PAUSE)

    def _core_event(self, involved: Json, reason: str, message: str, *, warning: bool) -> Json:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{involved['name'][:230]}.{secrets.token_hex(8)}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": involved["namespace"]},
            "involvedObject": {"apiVersion": API_VERSION, **involved},
            "reason": reason,
            "message": message if len(message) <= LONGEST else message[: LONGEST - 3] + "...",
            "type": "Warning" if warning else "Normal",
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._operator,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }


def involved_object(kind: str, namespace: str, name: str, uid: str) -> Json:
    """Name the object that something is said of."""
    return {"kind": kind, "namespace": namespace, "name": name, "uid": uid}
