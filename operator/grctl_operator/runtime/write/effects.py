"""Effects: does what a Decision asks for, each effect by the part that it belongs to.

1. In the order of the Decision, each done before the next begins; only settlements, removals,
   consistent lists and core Events go on in the background.
2. An effect that fails raises: the reconcile is tried again, and the Decision is made again.
3. Everything may be done twice.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from grctl.kube import RUNS, Api, NotFoundError
from grctl.models import WorkflowRun
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.announcer import Announcer, involved_object
from grctl_operator.runtime.people.notices import Notice
from grctl_operator.runtime.watch.event_caches import Inboxes
from grctl_operator.runtime.watch.runs import RunCache
from grctl_operator.runtime.watch.watches import Watches
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.write.event_writer import EventWriter
from grctl_operator.runtime.write.finalizer import Finalizer
from grctl_operator.runtime.write.trimmer import Trimmer

Doer = Callable[[Key, Any, Any], Awaitable[None] | None]


class Effects:
    """The one table of who does what."""

    def __init__(
        self,
        api: Api,
        runs: RunCache,
        cache: Inboxes,
        queue: WorkQueue,
        *,
        watches: Watches,
        writer: EventWriter,
        dispatcher: Dispatcher,
        trimmer: Trimmer,
        announcer: Announcer,
    ) -> None:
        self._api = api
        self._runs = runs
        self._cache = cache
        self._queue = queue
        self._announcer = announcer
        finalizer = Finalizer(api, runs)
        self._doers: dict[type[decision.Effect], Doer] = {
            decision.Dispatch: dispatcher.dispatch,
            decision.AwaitClearWorker: dispatcher.await_clear_worker,
            decision.AwaitWorker: dispatcher.await_worker,
            decision.Release: lambda _key, _run, effect: dispatcher.release(effect),
            decision.Settle: lambda key, _, effect: writer.settle(key, effect),
            decision.KeepPlace: lambda key, _, effect: writer.keep_place(key, effect.event),
            decision.ListEvents: lambda key, _run, _: watches.read(key),
            decision.ReadRun: lambda key, _run, _: self._read_run(key),
            decision.Announce: self._announce,
            decision.Hold: lambda key, run, _: finalizer.hold(key, run),
            decision.Delete: lambda key, run, _: finalizer.delete(key, run),
            decision.Trim: trimmer.trim,
            decision.Purge: lambda key, _run, _: finalizer.purge(key),
            decision.LetGo: lambda key, run, _: finalizer.let_go(key, run),
        }

    async def perform(
        self, key: Key, run: WorkflowRun | None, effects: Iterable[decision.Effect]
    ) -> None:
        """Do everything, in order."""
        for effect in effects:
            doing = self._doers[type(effect)](key, run, effect)
            if doing is not None:
                await doing

    async def _read_run(self, key: Key) -> None:
        """Look whether there is a run; events that wait for a uid need to know."""
        waiting = tuple(event.uid for event in self._cache.view(key))
        try:
            item = await self._api.get(RUNS.path(key.namespace, key.name))
        except NotFoundError:
            self._cache.orphaned(key, waiting)
        else:
            self._runs.answered(item)
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
