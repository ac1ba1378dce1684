"""Operator: the parts wired together, and the order in which they start and stop.

1. Start: probes are answered; the API server answers; workers may connect; all runs are listed;
   then the events: it is ready, and stands by.
2. Only who holds the Lease decides and writes. When it is taken, every run is reconciled. What
   others moved until then is read anew: the runs for which something waits, and beside all else the
   events of those whose `commits` are others. So it is already when the leader falls silent.
3. A part that fails is started again (see `parts`). The operator ends where another has its Lease.
   Where the store was restored from a backup it stays, writes nothing and says what to do.
4. Stop: nothing new is decided, writes under way are finished, the Lease is released, workers are
   told Goodbye.
"""

import asyncio
import logging
import os
import socket
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import NoReturn

from grctl.kube import Api, ApiError, Connection, UnreachableError
from grctl.kube.api import UNLIMITED_POOL_SIZE
from grctl.serving.probes import Probes
from grctl_operator.engine import decide
from grctl_operator.engine.dispatch import RETURN_TIME
from grctl_operator.runtime.batching import Batching
from grctl_operator.runtime.leader.candidate import candidate
from grctl_operator.runtime.leader.leadership import Leadership
from grctl_operator.runtime.outage import Outage, StoreRestoredError
from grctl_operator.runtime.parts import Parts
from grctl_operator.runtime.people.announcer import Announcer
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.questions import Questions
from grctl_operator.runtime.reconcile import Reconciler
from grctl_operator.runtime.reconcile_loop import ReconcileLoop
from grctl_operator.runtime.settings import Settings
from grctl_operator.runtime.timing import Timing, Why
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.watches import Watches
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.certificate import Certificate
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.workers.doorkeeper import Doorkeeper, OpenDoor, TokenDoor
from grctl_operator.runtime.write.effects import Effects
from grctl_operator.runtime.write.event_writer import EventWriter
from grctl_operator.runtime.write.guard import guarded
from grctl_operator.runtime.write.leftovers import Leftovers
from grctl_operator.runtime.write.purger import Purger
from grctl_operator.runtime.write.refresher import Refresher
from grctl_operator.runtime.write.run_writer import RunWriter
from grctl_operator.runtime.write.trimmer import Trimmer
from grctl_operator.runtime.write.unsure_runs import UnsureRuns
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.runs import RunCache

RECONCILERS = 16
"""Keys at a time. Where runs wait for their turn, what comes for them meanwhile is committed in one
write. With more at a time each outcome has one of its own; with fewer, senders crowd us out (0018).
"""
USER_AGENT = "grctl-operator"
UNAUTHENTICATED = "whoever reaches the port may read stores and forge outcomes: --worker-auth token"
UNENCRYPTED = "workers send none, unless something else encrypts the way: --tls-cert, --tls-key"
RESTORED = (
    "Nothing is written until the operator is started again. What happened since the backup may"
    " happen again: see what was restored, then restart all replicas (kubectl rollout restart)."
)
LAST_WRITES = 0.5  # s: what a write may take at shutdown; the next operator repeats it

logger = logging.getLogger(__name__)


class Operator:
    """Everything that runs in the operator's process, but for kopf."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.clock = ServerClock(time.monotonic)
        self.runs = RunCache()
        self.events = EventCaches(settings.namespaces)
        self.passed_over = PassedOver()
        self.ended = asyncio.Event()
        """Set when it was stopped, or when a part ended by itself: `failure` says why."""
        self.failure: BaseException | None = None
        self.waits_for: str | None = "the API server's first answer"
        """What is missing before it leads or could take over at once; None: nothing."""
        self.probes = Probes(self._amiss, self._not_ready, self.metrics.exposition)
        self.restored: str | None = None
        """Says that the store was restored from a backup, since which nothing is written."""
        self.decides = asyncio.Event()
        """Set when it leads, and has begun to work on the runs."""
        self._stopped = False
        self._settings = settings
        self._certificate: Certificate | None = None
        self._stack = AsyncExitStack()
        self._holding: asyncio.Task[NoReturn] | None = None
        """Takes the Lease, and keeps it."""
        self._parts = Parts(
            on_failure=self.metrics.part_failures.inc,
            on_restored=self._stop_writing,
            on_end=self._end,
        )

    @property
    def port(self) -> int:
        """Where workers connect."""
        return self.dispatcher.port

    @property
    def ready(self) -> bool:
        """Whether it leads, or could take over at once: all runs and events are known."""
        return self.waits_for is None

    @property
    def leading(self) -> bool:
        """Whether this operator decides and writes, and no other does."""
        return self.leadership.leading

    async def connect(self) -> None:
        """Answer probes, wait until the API server answers, then listen for workers.

        Raises:
            ConnectionConfigError: no API server is configured.
            CertificateError: TLS is wanted, and its certificate cannot be used.
            OSError: a port is taken.
        """
        settings = self._settings
        if settings.http_port is not None:
            await self.probes.start(settings.http_host, settings.http_port)
            self._stack.push_async_callback(self.probes.stop)
        connection = await Connection.find(settings.kubeconfig, settings.context)
        self.api = await self._open_api(connection)
        self._unfenced = await self._open_api(connection)  # renewals wait for nothing else
        await self._await_api()
        self.waits_for = "the list of all runs"
        self._wire()
        await self._listen()
        self._wire_leadership()
        for step in (self.leadership.release, self._parts.cancel, self._finish_writes):
            self._stack.push_async_callback(step)

    def begin(self) -> None:
        """Start everything that goes on by itself."""
        if self._certificate is not None:
            self._parts.keep(self._certificate.follow, "follow the certificate")
        self._watches.start_runs()
        self._parts.once(self._follow(), "follow")

    async def stop(self) -> None:
        """Stop in order: deciding, writing, leading, listening. Once stopped, it does nothing."""
        if self._stopped:
            return
        self._stopped = True
        await self._stack.aclose()
        self.ended.set()
        logger.info("operator stopped")

    def _amiss(self) -> str | None:
        return f"the operator ends: {self.failure}" if self.failure is not None else None

    def _not_ready(self) -> str | None:
        waits = f"waits for {self.waits_for}" if self.waits_for else None
        return self._amiss() or self.restored or waits

    # What the Lease tells: see `leadership.Listener`.

    def on_leader(self, url: str | None) -> None:
        """Send workers to who leads."""
        self.dispatcher.admission.follow(url)

    def on_silence(self) -> None:
        """Get ready to take over: the leader may not write any more."""
        if self.ready:
            self._watches.read_what_others_moved()

    def on_taken(self, workers: int | None) -> None:
        """Take workers in, and begin to decide."""
        self.registry.accept_workers(awaited=workers)
        self.dispatcher.admission.lead()
        self._parts.once(self._lead(stood_by=self._watches.follow_events), "lead")

    def on_suspended(self) -> None:
        """Decide nothing."""
        self.queue.pause()

    def on_resumed(self) -> None:
        """Decide again."""
        self.timing.wake_all()
        self.queue.resume()

    def _clock_jumped(self, by: timedelta) -> None:
        """Keep every length of time as it was, and look anew at all that waits for a moment."""
        self.registry.on_jump(by)
        self.events.on_jump()
        self._announcer.on_jump(by)
        self.timing.wake_all()

    async def _open_api(self, connection: Connection) -> Api:
        api = await self._stack.enter_async_context(
            Api(connection, user_agent=USER_AGENT, pool=UNLIMITED_POOL_SIZE)
        )
        api.on_answer = self.clock.on_answer
        api.on_request = self.metrics.asked
        return api

    async def _await_api(self) -> None:
        outage = Outage(f"connect to {self.api.connection.server}")
        while not self.clock.known:
            try:
                await self.api.get("/version")
            except (UnreachableError, ApiError) as error:
                await outage.pause(error)
        outage.over()

    def _wire(self) -> None:
        namespaces, name = self._settings.namespaces, socket.gethostname()
        self.queue = WorkQueue()
        self.clock.on_jump = self._clock_jumped
        self.registry = ExecutionRegistry(self.clock.now, time.monotonic, self.queue.add)
        journal = Journal(self.metrics, self.clock.now)
        self._questions = questions = Questions(
            self.runs,
            self.events,
            self.registry,
            decide=guarded(
                partial(decide, orphan_timeout=self._settings.orphan_timeout), self.metrics
            ),
            now=self.clock.now,
        )
        self._refresher = Refresher(self.queue, lambda group: self.runs.find_unfinished(*group))
        self.timing = Timing(
            self.queue,
            self.clock.now,
            refresher=self._refresher,
            urgency_of_outcomes=questions.urgency_of_outcomes,
            batching=Batching(),
        )
        self.dispatcher = Dispatcher(
            self.registry,
            self.queue,
            journal,
            operator=name,
            door=self._doorkeeper(),
            on_outcome=partial(self.timing.add, why=Why.OUTCOME),
            on_all_back=partial(self.timing.wake_within, RETURN_TIME.total_seconds()),
            on_other_handlers=self._refresher.note_change,
            namespaces=namespaces,
        )
        self._announcer = Announcer(self.api, self.metrics, operator=name, now=self.clock.now)
        self.passed_over.announce = self._announcer.announce
        self._trimmer = Trimmer(self.api, self.runs, self.metrics)
        self._purger = Purger(self.api, self.queue)
        self._leftovers = Leftovers(self.api, self.metrics, namespaces, self.clock.now)
        self._writer = EventWriter(
            self.api,
            self.events,
            self.queue,
            journal,
            on_settled=partial(self.timing.add, why=Why.SETTLED),
            on_runless=self._leftovers.note,
        )
        self._watches = Watches(
            self.api,
            self.runs,
            self.events,
            self.queue,
            clock=self.clock,
            journal=journal,
            namespaces=namespaces,
            spawn=self._parts.keep,
            on_restart=self._count_restart,
            passed_over=self.passed_over,
            on_known=self._take_in,
        )
        self._effects = Effects(
            self.api,
            self.runs,
            self.events,
            self.queue,
            clock=self.clock,
            watches=self._watches,
            writer=self._writer,
            dispatcher=self.dispatcher,
            trimmer=self._trimmer,
            purger=self._purger,
            announcer=self._announcer,
            passed_over=self.passed_over,
        )
        self._unsure = UnsureRuns(
            self.api, self.runs, self.registry, effects=self._effects, journal=journal
        )
        writer = RunWriter(
            self.api,
            self.runs,
            self.events,
            unsure=self._unsure,
            questions=questions,
            metrics=self.metrics,
        )
        self._reconciler = Reconciler(
            self.runs,
            self.events,
            self.queue,
            unsure=self._unsure,
            questions=questions,
            timing=self.timing,
            writer=writer,
            effects=self._effects,
            dispatcher=self.dispatcher,
        )
        self._loop = ReconcileLoop(
            self._reconciler.reconcile,
            self.runs,
            self.queue,
            timing=self.timing,
            unsure=self._unsure,
            announcer=self._announcer,
            metrics=self.metrics,
            on_turn_left=self._begin_to_reconcile,
        )
        self._show_metrics()

    def _doorkeeper(self) -> Doorkeeper:
        settings = self._settings
        if not settings.authenticates:
            if not settings.within_machine:
                logger.warning("workers are not authenticated", extra={"hint": UNAUTHENTICATED})
            return OpenDoor()
        if settings.tls_cert is None and not settings.within_machine:
            logger.warning("workers' tokens come unencrypted", extra={"hint": UNENCRYPTED})
        return TokenDoor(self._unfenced, settings.worker_audience, self.clock.now)

    def _show_metrics(self) -> None:
        self.metrics.show(self.queue, self.runs, self.events, self.registry, self.dispatcher)
        self.metrics.is_leader.set_function(lambda: self.leading)
        self.metrics.namespaces_left_out.set_function(lambda: self._watches.left_out)

    def _count_restart(self, resource: str, cause: str) -> None:
        self.metrics.watch_restarts.labels(resource, cause).inc()

    async def _listen(self) -> None:
        settings, tls = self._settings, None
        if settings.tls_cert and settings.tls_key:
            self._certificate = Certificate(settings.tls_cert, settings.tls_key)
            tls = self._certificate.context
        await self.dispatcher.start(settings.dispatcher_host, settings.dispatcher_port, tls)
        self._stack.push_async_callback(self.dispatcher.stop)

    def _wire_leadership(self) -> None:
        settings = self._settings
        self.leadership = Leadership(
            self._unfenced,
            settings.lease_namespace or settings.only_namespace or self._unfenced.namespace,
            settings.lease_name,
            candidate(settings, os.environ, self.port),
            self,
            workers=lambda: self.registry.present,
        )
        self.api.fence = self.leadership

    async def _follow(self) -> None:
        """Know all runs, then all events, and wait for the Lease."""
        await self._watches.runs_listed()
        if self.restored is not None:
            return
        self._holding = self._parts.once(self.leadership.run(), "hold the Lease")
        await self.leadership.tried.wait()  # who leads already lists the events once, not twice
        self.waits_for = "the list of all events"
        self._watches.start_events()
        self._forgetting = self._parts.keep(self._forget_what_is_gone, "stand by")
        await self._watches.events_listed()
        self._watches.tell_left_out()
        self.waits_for = None
        fields = {"runs": len(self.runs), "events": len(self.events)}
        logger.info("operator ready", extra=fields)

    async def _lead(self, *, stood_by: bool) -> None:
        """Decide. `stood_by`: events were listed while another operator may still have written."""
        await self._watches.events_listed()
        self._forgetting.cancel()
        self._queue_all(read_first=stood_by)
        if stood_by:
            self._watches.read_what_others_moved()
        for _ in range(RECONCILERS):
            self._begin_to_reconcile()
        self._parts.keep(self._announcer.run, "announce")
        self._parts.keep(self._trimmer.run, "trim events")
        self._parts.keep(self._leftovers.run, "remove leftovers")
        self._parts.keep(self._refresher.run, "refresh views")
        self.decides.set()

    def _begin_to_reconcile(self) -> None:
        self._parts.keep(self._loop.run, "reconcile")

    def _queue_all(self, *, read_first: bool, only: str | None = None) -> None:
        """Have every run reconciled, as deadlines are to be armed; idle ones when there is time.

        Args:
            only: One namespace; None: all that are known.
            read_first: Whether another wrote until now. The watch may not have shown its last
                commits yet, and a handler that was committed is not to run once more.
        """
        known = dict.fromkeys((*self.events.keys(), *self.runs.keys()))
        keys = [key for key in known if self._watches.knows(key) and only in {None, key.namespace}]
        waiting = [
            key for key in keys if self.events.of(key).get_view(key) or self.runs.is_busy(key)
        ]
        if read_first:
            self._unsure.add(waiting)
        for key in waiting:
            self.queue.add(key)
        self.queue.sweep(keys)

    def _take_in(self, namespace: str | None) -> None:
        """Decide about the runs of a namespace, now that they are all known."""
        if self.decides.is_set():
            self._queue_all(read_first=True, only=namespace)

    async def _forget_what_is_gone(self) -> NoReturn:
        """Take keys as a leader does, to keep nothing of runs that are gone."""
        while True:
            key = await self.queue.take()
            if self.runs.get_uid(key) is None:
                self.events.of(key).forget_inbox(key)
            self.queue.done(key)
            await asyncio.sleep(0)

    async def _finish_writes(self) -> None:
        self.queue.pause()
        writes = [*self._writer.under_way, *self._purger.under_way]
        writes += [asyncio.create_task(self.queue.finished())]
        _, late = await asyncio.wait(writes, timeout=LAST_WRITES)
        for write in late:
            write.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._refresher.close()
        self.timing.close()

    def _stop_writing(self, error: StoreRestoredError) -> None:
        """Write nothing any more, and say why: what we know may never have been."""
        if self.restored is not None:
            return
        self.restored = f"{error} {RESTORED}"
        self.metrics.store_restored.set(1)
        if self._holding is not None:
            self._holding.cancel()
        self.leadership.resign()
        self.queue.pause()
        self.dispatcher.admission.follow(None)
        logger.critical("operator writes nothing", extra={"error": str(error), "hint": RESTORED})

    def _end(self, part: str, error: BaseException) -> None:
        if self.ended.is_set():
            return
        self.failure = error
        logger.critical("operator ends", extra={"part": part, "error": str(error)})
        self.ended.set()
