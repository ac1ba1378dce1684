"""EventWriter: the writes of an event's own status. No other part of the operator writes an event.

1. Its run committed a settlement before it comes here, so the write is tried until it succeeds.
2. The answer enters the EventCache at once. Only then may a later commit drop the outbox entry.
3. Settlements run beside the reconciles: one at a time for each event, and at most
   MAX_EVENT_WRITES_AT_ONCE in all. Namespaces share these turns fairly, and in each of them its
   runs. A write that hangs, or pauses before it is tried again, gives its turn back (see `turns`).
4. An event that is gone, is another object of that name, or is settled already needs no write.
5. The end of a settlement makes room for others and lets the run's end go on. Nobody waits for
   either, so the look at the run is shared with the next thing that happens (see `timing`).
6. An event that no run consumed is in doubt while it is settled: no run may have it meanwhile.
7. A write that the API server refuses for good is tried again now and then, not at each reconcile.
8. Pauses grow by event and by namespace: each event is tried later each time, and so is the next
   write in a namespace where writes fail.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from grctl.kube import EVENTS, Api, ApiError, ConflictError, NotFoundError, UnreachableError
from grctl.models import API_VERSION, EventPhase
from grctl.models.event import EventStatus
from grctl.models.meta import Condition, ConditionStatus
from grctl.models.run import Handling
from grctl_operator.engine.decision import Settle
from grctl_operator.engine.observation import Event, Key
from grctl_operator.runtime.outage import Outage, passes, pause_after
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write.turns import Turns
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.events import is_settled
from grctl_operator.views.inbox import KnownEvent

MAX_EVENT_WRITES_AT_ONCE = 16
"""As many as reconciles, so that neither crowds out the other."""
PAUSE_AFTER_REFUSAL_S = 30.0
"""No repetition mends a refusal for good, but a person may (an event that is too large)."""
_GENERATION_OF_EVENTS = 1  # their spec cannot change

Json = dict[str, Any]

logger = logging.getLogger(__name__)


class _NotWaitingError(Exception):
    """The event is gone, another object, or settled."""


class EventWriter:
    """Settles events and keeps their places.

    Args:
        on_settled: Is told the run of each event whose settling has ended.
        on_runless: Is told the namespace of each event that was settled without a run.
    """

    def __init__(
        self,
        api: Api,
        events: EventCaches,
        queue: WorkQueue,
        activity_log: ActivityLog,
        *,
        on_settled: Callable[[Key], None],
        on_runless: Callable[[str], None],
    ) -> None:
        self._api = api
        self._events = events
        self._queue = queue
        self._activity_log = activity_log
        self._on_settled = on_settled
        self._on_runless = on_runless
        self._turns = Turns(MAX_EVENT_WRITES_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._outages: dict[str, Outage] = {}
        """Of namespaces where the last write failed."""

    @property
    def under_way(self) -> tuple[asyncio.Task[None], ...]:
        """The settlements that are being written."""
        return tuple(self._under_way.values())

    def settle(self, key: Key, effect: Settle) -> None:
        """Begin to write an event's final status, if that is not under way."""
        uid = effect.settlement.uid
        if uid not in self._under_way:
            if effect.run_uid is None:
                self._events.of(key).begin_doubt(key, uid)
            settling = self._settle(key, effect)
            self._under_way[uid] = asyncio.create_task(settling, name=f"settle {uid}")

    async def keep_place(self, key: Key, event: Event) -> None:
        """Write an event's place into its status."""
        item = await self._read(key, event.uid, event.name)
        if item is None:
            return
        version = item["metadata"]["resourceVersion"]
        body = _body(key, event.uid, event.name, version, EventStatus(place=event.place))
        path = EVENTS.path(key.namespace, event.name, "status")
        self._events.of(key).on_answer(await self._api.replace(path, body))
        self._queue.add(key)

    async def _settle(self, key: Key, effect: Settle) -> None:
        try:
            await self._settle_in_the_end(key, effect)
        except ApiError as error:
            fields = {"run": str(key), "event": effect.settlement.name, "error": str(error)}
            logger.exception("settling failed", extra=fields)
            await asyncio.sleep(PAUSE_AFTER_REFUSAL_S)
        finally:
            del self._under_way[effect.settlement.uid]
            self._events.of(key).end_doubt(key, effect.settlement.uid)
            self._on_settled(key)

    async def _settle_in_the_end(self, key: Key, effect: Settle) -> None:
        tries = 0
        while not await self._try_in_turn(key, effect):
            await asyncio.sleep(pause_after(tries))  # other events of the namespace go first
            tries += 1

    async def _try_in_turn(self, key: Key, effect: Settle) -> bool:
        """Try once, and pause if the namespace is in trouble. Return whether the write is done.

        Raises:
            ApiError: no repetition mends it.
        """
        namespace = key.namespace
        async with self._turns.taken(key) as leave_turn:
            try:
                await self._try(key, effect)
            except (UnreachableError, ApiError) as error:
                if not passes(error):
                    raise
                leave_turn()
                outage = self._outages.setdefault(
                    namespace, Outage(f"settle events in {namespace}")
                )
                await outage.pause(error)
                return False
        if self._outages and (over := self._outages.pop(namespace, None)):
            over.over()
        return True

    async def _try(self, key: Key, effect: Settle) -> None:
        event = self._events.of(key).find(key, effect.settlement.uid)
        version, place = _as_known(event)
        while True:
            try:
                if version is None:
                    version, place = await self._look_up(key, effect)
                await self._write(key, effect, version, place)
            except (_NotWaitingError, NotFoundError):
                self._events.of(key).on_missing(key, effect.settlement.uid)
                return
            except ConflictError:
                version = None
            else:
                return

    async def _look_up(self, key: Key, effect: Settle) -> tuple[str, int | None]:
        item = await self._read(key, effect.settlement.uid, effect.settlement.name)
        if item is None:
            raise _NotWaitingError
        return item["metadata"]["resourceVersion"], (item.get("status") or {}).get("place")

    async def _write(self, key: Key, effect: Settle, version: str, place: int | None) -> None:
        settlement = effect.settlement
        status = final_status(effect, place)
        body = _body(key, settlement.uid, settlement.name, version, status)
        path = EVENTS.path(key.namespace, settlement.name, "status")
        self._events.of(key).on_answer(await self._api.replace(path, body))
        self._activity_log.on_settle(key, settlement)
        if effect.run_uid is None:
            self._on_runless(key.namespace)

    async def _read(self, key: Key, uid: str, name: str) -> Json | None:
        """Read an event that is still to be written. Return None if it is gone or settled."""
        try:
            item = await self._api.get(EVENTS.path(key.namespace, name))
        except NotFoundError:
            self._events.of(key).on_missing(key, uid)
            return None
        if item["metadata"]["uid"] != uid:
            self._events.of(key).on_missing(key, uid)
            return None
        self._events.of(key).on_answer(item)
        return None if is_settled(item) else item


def _body(key: Key, uid: str, name: str, version: str, status: EventStatus) -> Json:
    """Return the body of a PUT of /status, which leaves out the spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {
            "name": name,
            "namespace": key.namespace,
            "uid": uid,
            "resourceVersion": version,
        },
        "status": status.to_json(),
    }


def final_status(effect: Settle, place: int | None) -> EventStatus:
    """Return the whole status of an event with its final phase."""
    settlement = effect.settlement
    handled = settlement.phase is EventPhase.PROCESSED
    states: dict[str, ConditionStatus] = {"Succeeded": "True" if handled else "False"}
    if not handled:
        states["Stalled"] = "True"
    conditions = tuple(
        Condition(
            type=kind,
            status=state,
            reason=settlement.reason,
            message=settlement.message or "" if kind == "Succeeded" else "",
            last_transition_time=settlement.at,
        )
        for kind, state in states.items()
    )
    return EventStatus(
        phase=settlement.phase,
        observed_generation=_GENERATION_OF_EVENTS,
        sequence=settlement.sequence,
        place=place,
        run_uid=effect.run_uid,
        reason=settlement.reason,
        message=settlement.message,
        settled_at=settlement.at,
        conditions=conditions,
        **_facts(settlement.handling),
    )


def _facts(handling: Handling | None) -> dict[str, Any]:
    """Return the fields of an event's status that say how it was handled, if that is known."""
    if handling is None:
        return {}
    return {
        "handler": handling.handler,
        "worker": handling.worker,
        "commit": handling.commit,
        "started_at": handling.began_at,
        "attempts": handling.attempts,
        "tasks": handling.tasks,
    }


def _as_known(event: KnownEvent | None) -> tuple[str | None, int | None]:
    """Return an event's version, and its place if the version does not show it any more."""
    if event is None:
        return None, None
    return event.version, None if event.version == str(event.place) else event.place
