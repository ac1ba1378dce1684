"""Operator: the order in which its parts start and stop (`wiring` makes them).

1. Start: probes are answered; the API server answers; workers may connect; all runs are listed;
   then the events: it is ready, and stands by.
2. Only the holder of the Lease decides and writes. When it takes the Lease, every run is
   reconciled. The runs that other operators wrote until then are read anew: those for which
   something waits at once, the events of those whose `commits` are others beside all else. A
   standby does the same when the leader falls silent.
3. A part that fails is started again (see `parts`). The operator ends if another has its Lease. If
   the store was restored from a backup it stays, writes nothing and says what to do.
4. Stop: nothing new is decided, writes under way are finished, the Lease is released, workers are
   told Goodbye.
"""

import asyncio
import logging
import os
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import NoReturn

from grctl.kube import Api, ApiError, Connection, UnreachableError
from grctl.kube.api import UNLIMITED_POOL_SIZE, Fence
from grctl.serving.probes import Probes
from grctl_operator.engine import decide
from grctl_operator.runtime.decider import checked
from grctl_operator.runtime.leader.candidate import make_candidate
from grctl_operator.runtime.leader.leadership import Leadership, seconds_since_boot
from grctl_operator.runtime.leader.lease import LeaseTiming
from grctl_operator.runtime.outage import Outage, StoreRestoredError
from grctl_operator.runtime.parts import Parts
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.settings import Settings
from grctl_operator.runtime.wiring import ActingParts, DecidingParts
from grctl_operator.runtime.workers.certificate import Certificate
from grctl_operator.runtime.workers.worker_auth import NoAuth, TokenAuth, WorkerAuth
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import RunCache

MAX_RECONCILES_AT_ONCE = 16
"""While runs wait for their turn, their outcomes gather and share a write. With more reconciles at
a time each outcome has a write of its own; with fewer, senders crowd the operator out (0018).
"""
USER_AGENT = "grctl-operator"
UNAUTHENTICATED = "whoever reaches the port may read stores and forge outcomes: --worker-auth token"
UNENCRYPTED = "workers send none, unless something else encrypts the way: --tls-cert, --tls-key"
RESTORED = (
    "Nothing is written until the operator is started again. What happened since the backup may"
    " happen again: see what was restored, then restart all replicas (kubectl rollout restart)."
)
LAST_WRITES_BUDGET_S = 0.5
"""For writes under way at shutdown. The next operator repeats those that are cut off."""

logger = logging.getLogger(__name__)


class Operator:
    """Everything that runs in the operator's process, but for kopf."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.clock = ServerClock(time.monotonic, on_jump=self._on_clock_jump)
        self.runs = RunCache()
        self.events = EventCaches(settings.namespaces)
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
        self._is_wired = False
        self._is_stopped = False
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
        return self.deciding.dispatcher.port

    @property
    def ready(self) -> bool:
        """Whether it leads, or could take over at once: all runs and events are known."""
        return self.waits_for is None

    @property
    def leading(self) -> bool:
        """Whether this operator decides and writes, and no other does."""
        return self.leadership.leading

    # Start, from top to bottom.

    async def connect(self) -> None:
        """Answer probes, wait until the API server answers, then listen for workers.

        Raises:
            ConnectionConfigError: no API server is configured.
            CertificateError: TLS is wanted, and its certificate cannot be used.
            OSError: a port is taken.
        """
        settings = self._settings
        await self._answer_probes()
        connection = await Connection.find(settings.kubeconfig, settings.context)
        unfenced = await self._open_api(connection)  # renewals wait for nothing else
        await self._await_api(unfenced)
        self.waits_for = "the list of all runs"
        self.deciding = DecidingParts(
            self.runs,
            self.events,
            clock=self.clock,
            metrics=self.metrics,
            auth=self._worker_auth(unfenced),
            decide=checked(partial(decide, orphan_timeout=settings.orphan_timeout), self.metrics),
            timers=asyncio.get_running_loop(),
            namespaces=settings.namespaces,
        )
        await self._listen()
        self.leadership = self._leadership(unfenced)
        self.api = await self._open_api(connection, fence=self.leadership)
        self.acting = ActingParts(
            self.api,
            self.runs,
            self.events,
            self.deciding,
            clock=self.clock,
            metrics=self.metrics,
            spawn=self._parts.keep,
            on_known=self._take_in,
            on_turn_left=self._begin_to_reconcile,
            namespaces=settings.namespaces,
        )
        self._is_wired = True
        self._show_metrics()
        for step in (self.leadership.release, self._parts.cancel, self._finish_writes):
            self._stack.push_async_callback(step)

    def begin(self) -> None:
        """Start everything that goes on by itself."""
        if self._certificate is not None:
            self._parts.keep(self._certificate.follow, "follow the certificate")
        self.acting.watches.start_runs()
        self._parts.once(self._follow(), "follow")

    async def _answer_probes(self) -> None:
        settings = self._settings
        if settings.http_port is not None:
            await self.probes.start(settings.http_host, settings.http_port)
            self._stack.push_async_callback(self.probes.stop)

    async def _open_api(self, connection: Connection, fence: Fence | None = None) -> Api:
        api = Api(
            connection,
            user_agent=USER_AGENT,
            pool=UNLIMITED_POOL_SIZE,
            on_answer=self.clock.on_answer,
            on_request=self.metrics.on_request,
            fence=fence,
        )
        return await self._stack.enter_async_context(api)

    async def _await_api(self, api: Api) -> None:
        outage = Outage(f"connect to {api.connection.server}")
        while not self.clock.is_known:
            try:
                await api.get("/version")
            except (UnreachableError, ApiError) as error:
                await outage.pause(error)
        outage.over()

    def _worker_auth(self, unfenced: Api) -> WorkerAuth:
        settings = self._settings
        if not settings.authenticates:
            if not settings.within_machine:
                logger.warning("workers are not authenticated", extra={"hint": UNAUTHENTICATED})
            return NoAuth()
        if settings.tls_cert is None and not settings.within_machine:
            logger.warning("workers' tokens come unencrypted", extra={"hint": UNENCRYPTED})
        return TokenAuth(unfenced, settings.worker_audience, self.clock.now)

    async def _listen(self) -> None:
        settings, tls, dispatcher = self._settings, None, self.deciding.dispatcher
        if settings.tls_cert and settings.tls_key:
            self._certificate = Certificate(settings.tls_cert, settings.tls_key)
            tls = self._certificate.context
        await dispatcher.start(settings.dispatcher_host, settings.dispatcher_port, tls)
        self._stack.push_async_callback(dispatcher.stop)

    def _leadership(self, unfenced: Api) -> Leadership:
        settings = self._settings
        return Leadership(
            unfenced,
            settings.lease_namespace or settings.only_namespace or unfenced.namespace,
            settings.lease_name,
            make_candidate(settings, os.environ, self.port),
            self,
            workers=lambda: self.deciding.registry.present,
            timing=LeaseTiming(),
            now=seconds_since_boot,
        )

    def _show_metrics(self) -> None:
        deciding, watches = self.deciding, self.acting.watches
        self.metrics.show(
            deciding.queue,
            self.runs,
            self.events,
            deciding.registry,
            deciding.dispatcher,
            is_leader=lambda: self.leading,
            namespaces_left_out=lambda: watches.left_out,
        )

    # What its parts are asked and tell.

    def _amiss(self) -> str | None:
        return f"the operator ends: {self.failure}" if self.failure is not None else None

    def _not_ready(self) -> str | None:
        waits = f"waits for {self.waits_for}" if self.waits_for else None
        return self._amiss() or self.restored or waits

    def _on_clock_jump(self, by: timedelta) -> None:
        """Keep every duration as it was, and look anew at each run that waits for a moment."""
        if self._is_wired:
            self.deciding.registry.on_jump(by)
            self.events.on_jump()
            self.acting.announcer.on_jump(by)
            self.deciding.timing.wake_all()

    def on_leader(self, url: str | None) -> None:
        """Send workers to the operator that leads (as all `on_x` here: `LeadershipListener`)."""
        self.deciding.dispatcher.gate.follow(url)

    def on_silence(self) -> None:
        """Get ready to take over: the leader may not write any more."""
        if self.ready:
            self.acting.watches.prefetch_runs_of_others()

    def on_taken(self, workers: int | None) -> None:
        """Take workers in, and begin to decide."""
        self.deciding.registry.accept_workers(awaited=workers)
        self.deciding.dispatcher.gate.lead()
        stood_by = self.acting.watches.follows_events
        self._parts.once(self._lead(stood_by=stood_by), "lead")

    def on_suspended(self) -> None:
        """Decide nothing."""
        self.deciding.queue.pause()

    def on_resumed(self) -> None:
        """Decide again."""
        self.deciding.timing.wake_all()
        self.deciding.queue.resume()

    # Standing by, and leading.

    async def _follow(self) -> None:
        """List and watch all runs, then all events, and wait for the Lease."""
        await self.acting.watches.wait_for_runs()
        if self.restored is not None:
            return
        self._holding = self._parts.once(self.leadership.run(), "hold the Lease")
        await self.leadership.leader_known.wait()  # a leader lists the events once, not twice
        self.waits_for = "the list of all events"
        self.acting.watches.start_events()
        self._forgetting = self._parts.keep(self._forget_gone_runs, "stand by")
        await self.acting.watches.wait_for_events()
        self.acting.watches.log_left_out()
        self.waits_for = None
        fields = {"runs": len(self.runs), "events": len(self.events)}
        logger.info("operator ready", extra=fields)

    async def _lead(self, *, stood_by: bool) -> None:
        """Begin to decide. `stood_by`: another operator may have written after the list."""
        await self.acting.watches.wait_for_events()
        self._forgetting.cancel()
        self._queue_all(read_first=stood_by)
        if stood_by:
            self.acting.watches.prefetch_runs_of_others()
        for _ in range(MAX_RECONCILES_AT_ONCE):
            self._begin_to_reconcile()
        self._parts.keep(self.acting.announcer.run, "announce")
        self._parts.keep(self.acting.trimmer.run, "trim events")
        self._parts.keep(self.acting.orphan_remover.run, "remove orphans")
        self._parts.keep(self.deciding.refresher.run, "refresh statuses")
        self.decides.set()

    def _begin_to_reconcile(self) -> None:
        self._parts.keep(self.acting.reconcile_loop.run, "reconcile")

    def _queue_all(self, *, read_first: bool, only: str | None = None) -> None:
        """Queue every run, as deadlines are to be armed. Idle runs are swept when there is time.

        Args:
            only: One namespace; None: all that are known.
            read_first: Whether another operator wrote until now. The watch may not have shown its
                last writes yet. A committed handler must not run once more, nor a recorded task. An
                idle run is read before its first dispatch.
        """
        known = dict.fromkeys((*self.events.keys(), *self.runs.keys()))
        keys = [
            key
            for key in known
            if self.acting.watches.is_known(key) and only in {None, key.namespace}
        ]
        waiting = [
            key for key in keys if self.events.of(key).get_view(key) or self.runs.is_busy(key)
        ]
        if read_first:
            self.acting.rereader.add(waiting)
            self.acting.rereader.add_written_by_others(keys)
        for key in waiting:
            self.deciding.queue.add(key)
        self.deciding.queue.sweep(keys)

    def _take_in(self, namespace: str | None) -> None:
        """Queue the runs of a namespace, now that they are all known."""
        if self.decides.is_set():
            self._queue_all(read_first=True, only=namespace)

    async def _forget_gone_runs(self) -> NoReturn:
        """Take keys as a leader does, to drop the inboxes of runs that are gone."""
        while True:
            key = await self.deciding.queue.take()
            if self.runs.get_uid(key) is None:
                self.events.of(key).forget_inbox(key)
            self.deciding.queue.done(key)
            await asyncio.sleep(0)

    # Stop.

    async def stop(self) -> None:
        """Stop in order: deciding, writing, leading, listening. Once stopped, it does nothing."""
        if self._is_stopped:
            return
        self._is_stopped = True
        await self._stack.aclose()
        self.ended.set()
        logger.info("operator stopped")

    async def _finish_writes(self) -> None:
        self.deciding.queue.pause()
        writes = [*self.acting.writes_under_way]
        writes += [asyncio.create_task(self.deciding.queue.finished())]
        _, late = await asyncio.wait(writes, timeout=LAST_WRITES_BUDGET_S)
        for write in late:
            write.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self.deciding.refresher.close()
        self.deciding.timing.close()

    def _stop_writing(self, error: StoreRestoredError) -> None:
        """Write nothing any more, and log why: the caches may show what the store has lost."""
        if self.restored is not None:
            return
        self.restored = f"{error} {RESTORED}"
        self.metrics.store_restored.set(1)
        if self._holding is not None:
            self._holding.cancel()
        self.leadership.resign()
        self.deciding.queue.pause()
        self.deciding.dispatcher.gate.follow(None)
        logger.critical("operator writes nothing", extra={"error": str(error), "hint": RESTORED})

    def _end(self, part: str, error: BaseException) -> None:
        if self.ended.is_set():
            return
        self.failure = error
        logger.critical("operator ends", extra={"part": part, "error": str(error)})
        self.ended.set()
