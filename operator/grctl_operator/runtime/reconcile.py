"""Reconcile: brings one run from its present state to the state that it should have.

A reconcile is given a key and nothing else. The present state comes from the caches, the state that
should be from the engine:

    asked      what the caches know of the run, its events and its executions (`decider`)
    decided    what to write and do (the engine), and whether that is due (`timing`)
    written    the status, over the version that was decided upon (`write/run_writer`)
    done       effects: `before` the write, and `after` it was stored (`write/effects`)

A dispatch is always a `before` effect: an API object already says that the handler is due. What
only the operator knows (a second attempt, a timeout that fired) is written first, and the next
decision dispatches. Until a write is due, each reconcile decides anew. While outcomes are deferred,
only the effects that go ahead of their write are decided.

A reconcile that fails raises. `reconcile_loop` calls it, and handles failures.
"""

from grctl.models import RunStatus, WorkflowRun
from grctl_operator.engine import Decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.decider import Decider
from grctl_operator.runtime.timing import Timing, Why
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.write.effects import Effects
from grctl_operator.runtime.write.run_rereader import RunRereader
from grctl_operator.runtime.write.run_writer import RunWriter
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.reading import UnreadableError
from grctl_operator.views.runs import RunCache


class Reconciler:
    """Reconciles runs, one key at a time for each caller."""

    def __init__(
        self,
        runs: RunCache,
        events: EventCaches,
        queue: WorkQueue,
        *,
        rereader: RunRereader,
        decider: Decider,
        timing: Timing,
        writer: RunWriter,
        effects: Effects,
        dispatcher: Dispatcher,
    ) -> None:
        self._runs = runs
        self._events = events
        self._queue = queue
        self._rereader = rereader
        self._decider = decider
        self._timing = timing
        self._writer = writer
        self._effects = effects
        self._dispatcher = dispatcher

    async def reconcile(self, key: Key) -> None:
        """Decide once about one run, and do what was decided.

        Raises:
            ApiError, UnreachableError: something could not be done: read the run and decide again.
        """
        await self._rereader.read(key)
        try:
            run, seen = self._runs.get(key), self._runs.get_version(key)
        except UnreadableError as error:
            await self._effects.pass_over(key, error)
            return
        decided = self._ask(key, run)
        if self._rereader.reads_before(key, decided.before):
            self._queue.add(key)
            return
        await self._effects.perform(key, run, decided.before)
        if self._runs.get_version(key) != seen:
            self._queue.add(key)  # an effect changed the run: decide upon what it is now
        elif run is None or decided.status is None:
            await self._effects.perform(key, run, decided.after)
        elif self._timing.is_write_due(key):
            await self._write(key, run, decided.status, decided)
        self._dispatcher.on_reconciled(key)
        self._timing.add(key, why=Why.DECIDED, when=decided.look_again_at)

    def _ask(self, key: Key, run: WorkflowRun | None) -> Decision:
        if run is None:
            self._events.of(key).forget_inbox(key)
        decided = self._decider.decide(key, run, defer_outcomes=self._timing.is_deferring(key))
        return self._timing.on_decision(key, decided)

    async def _write(
        self, key: Key, run: WorkflowRun, status: RunStatus, decided: Decision
    ) -> None:
        decided, written = await self._writer.write(key, run, status, decided)
        self._timing.on_write(key, written.status.commits - run.status.commits)
        await self._effects.perform(key, written, decided.after)
        self._rereader.on_follow_up(key)
        self._timing.add(key, why=Why.WRITTEN, when=decided.look_again_at)
