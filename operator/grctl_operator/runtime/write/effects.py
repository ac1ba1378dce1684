"""Effects: performs the effects of a Decision, each by the part that it belongs to.

1. In the order of the Decision, each done before the next begins. Only settlements, removals,
   consistent lists and core Events go on in the background. The effects behind a removal that goes
   on are left to a later reconcile.
2. An effect that fails raises: the reconcile is tried again, and the Decision is made again.
3. Everything may be done twice.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from grctl.kube import EVENTS, RUNS, Api, NotFoundError
from grctl.models import WorkflowRun
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Event, Key
from grctl_operator.runtime.people.announcer import Announcer, involved_object
from grctl_operator.runtime.people.notices import Notice
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.watches import Watches
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.write.event_writer import EventWriter
from grctl_operator.runtime.write.finalizer import Finalizer
from grctl_operator.runtime.write.purger import Purger
from grctl_operator.runtime.write.trimmer import Trimmer
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.payloads import NOT_KEPT
from grctl_operator.views.reading import UnreadableError, slim_event
from grctl_operator.views.runs import RunCache

Doer = Callable[[Key, Any, Any], Awaitable[None] | bool | None]
"""Performs an effect. False: it goes on, and the effects behind it have to wait."""


class Effects:
    """The one table of which part performs which effect."""

    def __init__(
        self,
        api: Api,
        runs: RunCache,
        events: EventCaches,
        queue: WorkQueue,
        *,
        clock: ServerClock,
        watches: Watches,
        writer: EventWriter,
        dispatcher: Dispatcher,
        trimmer: Trimmer,
        purger: Purger,
        announcer: Announcer,
        passed_over: PassedOver,
    ) -> None:
        self._api = api
        self._runs = runs
        self._events = events
        self._queue = queue
        self._clock = clock
        self._announcer = announcer
        self._passed_over = passed_over
        self._dispatcher = dispatcher
        self._finalizer = finalizer = Finalizer(api, runs)
        self._doers: dict[type[decision.Effect], Doer] = {
            decision.Dispatch: self._dispatch,
            decision.AwaitClearWorker: dispatcher.await_clear_worker,
            decision.AwaitWorker: dispatcher.await_worker,
            decision.ConfirmRecords: lambda _key, run, effect: dispatcher.confirm(run, effect),
            decision.Release: lambda _key, _run, effect: dispatcher.release(effect),
            decision.Settle: lambda key, _, effect: writer.settle(key, effect),
            decision.KeepPlace: lambda key, _, effect: writer.keep_place(key, effect.event),
            decision.ListEvents: lambda key, _run, _: watches.request_events(key),
            decision.ReadRun: lambda key, _run, _: self._read_run(key),
            decision.Announce: self._announce,
            decision.Hold: lambda key, run, _: finalizer.hold(key, run),
            decision.Delete: lambda key, run, _: finalizer.delete(key, run),
            decision.Trim: trimmer.trim,
            decision.Purge: lambda key, run, _: purger.purge(key, run),
            decision.LetGo: lambda key, run, _: finalizer.let_go(key, run),
        }

    async def perform(
        self, key: Key, run: WorkflowRun | None, effects: Iterable[decision.Effect]
    ) -> None:
        """Perform effects in order."""
        for effect in effects:
            doing = self._doers[type(effect)](key, run, effect)
            if doing is False:
                return
            if isinstance(doing, Awaitable):
                await doing

    async def pass_over(self, key: Key, error: UnreadableError) -> None:
        """Tell of a run that cannot be read. If it is to be deleted, take the finalizer off."""
        metadata = self._runs.get_metadata(key)
        self._passed_over.add("WorkflowRun", {"metadata": metadata}, str(error))
        if "deletionTimestamp" in metadata:
            await self._finalizer.let_go_unread(key, metadata)

    def _dispatch(
        self, key: Key, run: WorkflowRun, effect: decision.Dispatch
    ) -> Awaitable[None] | None:
        if all(event.payload is not NOT_KEPT for event in effect.events):
            self._dispatcher.dispatch(key, run, effect)
            return None
        return self._dispatch_read(key, run, effect)

    async def _dispatch_read(self, key: Key, run: WorkflowRun, effect: decision.Dispatch) -> None:
        """Read the payloads that were not kept; then dispatch, or decide again if one is gone."""
        events = [await self._with_payload(key, event) for event in effect.events]
        whole = [event for event in events if event is not None]
        if len(whole) == len(events):
            first, *then = whole
            self._dispatcher.dispatch(key, run, replace(effect, event=first, then=tuple(then)))
        else:
            self._queue.add(key)

    async def _with_payload(self, key: Key, event: Event) -> Event | None:
        """Return an event with its payload; None if it is gone, or is another one by now."""
        if event.payload is not NOT_KEPT:
            return event
        try:
            item = slim_event(await self._api.get(EVENTS.path(key.namespace, event.name)))
        except NotFoundError:
            self._events.of(key).on_missing(key, event.uid)
            return None
        if item["metadata"]["uid"] != event.uid:
            self._events.of(key).on_missing(key, event.uid)
            return None
        return replace(event, payload=item["spec"]["payload"])

    async def _read_run(self, key: Key) -> None:
        """Read whether there is a run: events that wait for a uid depend on it."""
        waiting, at = (
            tuple(event.uid for event in self._events.of(key).get_view(key)),
            self._clock.now(),
        )
        try:
            item = await self._api.get(RUNS.path(key.namespace, key.name))
        except NotFoundError:
            self._events.of(key).note_orphans(key, waiting, self._clock.past_or_long_ago(at))
        else:
            self._runs.on_answer(item)
        self._queue.add(key)

    def _announce(self, key: Key, run: WorkflowRun | None, effect: decision.Announce) -> None:
        event = effect.event
        if event is not None:
            about = involved_object("WorkflowEvent", key.namespace, event.name, event.uid)
        elif run is not None:
            about = involved_object("WorkflowRun", *key, run.metadata.uid)
        else:
            return
        notice = Notice(
            about=about,
            of=key,
            reason=effect.reason,
            message=effect.message,
            warning=effect.warning,
            times=effect.times,
            since=effect.since,
        )
        self._announcer.announce(notice)
