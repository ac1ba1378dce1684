"""Wiring: the parts of one operator, each made from the parts above it, by its constructor alone.

Workers are listened to before the API server is written to: the address at which they connect is a
part of the Lease, and the Lease is the fence of every write. So there are two groups: the parts
that decide need no API server, the parts that act have one.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial

from grctl.kube import Api
from grctl_operator.engine.dispatch import RETURN_TIME
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.batching import Batching
from grctl_operator.runtime.decider import Decide, Decider
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.people.announcer import Announcer
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.reconcile import Reconciler
from grctl_operator.runtime.reconcile_loop import ReconcileLoop
from grctl_operator.runtime.timing import Timers, Timing, Why
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.scope import OnKnown
from grctl_operator.runtime.watch.watches import Spawn, Watches
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.workers.worker_auth import WorkerAuth
from grctl_operator.runtime.write.effects import Effects
from grctl_operator.runtime.write.event_writer import EventWriter
from grctl_operator.runtime.write.orphan_remover import OrphanRemover
from grctl_operator.runtime.write.purger import Purger
from grctl_operator.runtime.write.refresher import Refresher
from grctl_operator.runtime.write.run_rereader import RunRereader
from grctl_operator.runtime.write.run_writer import RunWriter
from grctl_operator.runtime.write.trimmer import Trimmer
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.runs import RunCache


class DecidingParts:
    """The parts that decide: queue, timing, the decider, and the workers' dispatcher.

    Args:
        clock: The API server's time, which must be known.
        auth: Decides which workers may connect.
        decide: The engine.
        timers: The event loop.
        namespaces: The namespaces served; none: all.
    """

    def __init__(
        self,
        runs: RunCache,
        events: EventCaches,
        *,
        clock: ServerClock,
        metrics: Metrics,
        auth: WorkerAuth,
        decide: Decide,
        timers: Timers,
        namespaces: tuple[str, ...],
    ) -> None:
        self.queue = WorkQueue()
        self.activity_log = ActivityLog(metrics, clock.now)
        self.registry = ExecutionRegistry(clock.now, time.monotonic, self.queue.add)
        self.decider = Decider(
            runs, events, self.registry, decide=decide, metrics=metrics, now=clock.now
        )
        self.refresher = Refresher(
            self.queue, lambda group: runs.find_unfinished(*group), time.monotonic
        )
        self.timing = Timing(
            self.queue,
            clock.now,
            refresher=self.refresher,
            urgency_of_outcomes=self.decider.urgency_of_outcomes,
            batching=Batching(),
            timers=timers,
        )
        self.dispatcher = Dispatcher(
            self.registry,
            self.queue,
            self.activity_log,
            operator=socket.gethostname(),
            auth=auth,
            on_outcome=partial(self.timing.add, why=Why.OUTCOME),
            on_record=self._on_record,
            on_all_back=partial(self.timing.wake_within, RETURN_TIME.total_seconds()),
            on_other_handlers=self.refresher.note_change,
            namespaces=namespaces,
        )

    def _on_record(self, key: Key, *, awaited: bool) -> None:
        self.timing.add(key, why=Why.AWAITED_RECORD if awaited else Why.RECORD)


class ActingParts:
    """The parts that act on the API server: watches, writers, effects, and the reconciler.

    Args:
        api: Has the Lease as its fence.
        spawn: Starts a part that goes on by itself.
        on_known: Is told of a namespace when all its runs and events are known.
        on_turn_left: Is told that another reconcile loop may begin.
        namespaces: The namespaces served; none: all.
    """

    def __init__(
        self,
        api: Api,
        runs: RunCache,
        events: EventCaches,
        deciding: DecidingParts,
        *,
        clock: ServerClock,
        metrics: Metrics,
        spawn: Spawn,
        on_known: OnKnown,
        on_turn_left: Callable[[], None],
        namespaces: tuple[str, ...],
    ) -> None:
        queue, activity_log, timing = deciding.queue, deciding.activity_log, deciding.timing
        self.announcer = Announcer(api, metrics, operator=socket.gethostname(), now=clock.now)
        passed_over = PassedOver(self.announcer.announce)
        self.trimmer = Trimmer(api, runs, metrics)
        self.purger = Purger(api, queue)
        self.orphan_remover = OrphanRemover(api, metrics, namespaces, clock.now)
        self.event_writer = EventWriter(
            api,
            events,
            queue,
            activity_log,
            on_settled=partial(timing.add, why=Why.SETTLED),
            on_runless=self.orphan_remover.note,
        )
        intake = Intake(
            api=api,
            runs=runs,
            events=events,
            queue=queue,
            clock=clock,
            activity_log=activity_log,
            passed_over=passed_over,
            on_restart=metrics.on_watch_restart,
        )
        self.watches = Watches(intake, namespaces, spawn=spawn, on_known=on_known)
        effects = Effects(
            api,
            runs,
            events,
            queue,
            clock=clock,
            watches=self.watches,
            writer=self.event_writer,
            dispatcher=deciding.dispatcher,
            trimmer=self.trimmer,
            purger=self.purger,
            announcer=self.announcer,
            passed_over=passed_over,
        )
        self.rereader = RunRereader(
            api, runs, deciding.registry, effects=effects, activity_log=activity_log
        )
        run_writer = RunWriter(
            api, runs, events, rereader=self.rereader, decider=deciding.decider, metrics=metrics
        )
        self.reconciler = Reconciler(
            runs,
            events,
            queue,
            rereader=self.rereader,
            decider=deciding.decider,
            timing=timing,
            writer=run_writer,
            effects=effects,
            dispatcher=deciding.dispatcher,
        )
        self.reconcile_loop = ReconcileLoop(
            self.reconciler.reconcile,
            runs,
            queue,
            timing=timing,
            rereader=self.rereader,
            announcer=self.announcer,
            metrics=metrics,
            on_turn_left=on_turn_left,
        )

    @property
    def writes_under_way(self) -> tuple[asyncio.Task[None], ...]:
        """The writes that go on beside the reconciles."""
        return (*self.event_writer.under_way, *self.purger.under_way)
