"""Operator: the parts wired together, and the order in which they start and stop.

1. Start: probes are answered; the API server answers; workers may connect; all runs are listed;
   then the events; only then is anything decided.
2. A part that ends, ends the operator: half an operator is worse than none.
3. Stop: nothing new is decided, writes under way are finished, workers are told Goodbye.
"""

import asyncio
import logging
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from grctl.kube import Api, ApiError, Connection, UnreachableError
from grctl.probes import Probes
from grctl_operator.engine.event_cache import EventCache
from grctl_operator.runtime.announcer import Announcer
from grctl_operator.runtime.clock import ServerClock
from grctl_operator.runtime.dispatcher import Dispatcher
from grctl_operator.runtime.effects import Effects
from grctl_operator.runtime.event_stream import EventStream
from grctl_operator.runtime.event_writer import EventWriter
from grctl_operator.runtime.executions import ExecutionRegistry
from grctl_operator.runtime.journal import Journal
from grctl_operator.runtime.metrics import Metrics
from grctl_operator.runtime.outage import Outage
from grctl_operator.runtime.reconcile import Reconciler
from grctl_operator.runtime.run_stream import RunStream
from grctl_operator.runtime.runs import RunCache
from grctl_operator.runtime.settings import Settings
from grctl_operator.runtime.work_queue import WorkQueue

RECONCILERS = 32  # keys at a time: each waits for the API server most of its time
CLOCK_CHECK = 30.0  # s: an idle operator asks for the time, so that deadlines stay exact
USER_AGENT = "grctl-operator"
LAST_WRITES = 5.0  # s: what a write may take at shutdown; the next operator repeats it

logger = logging.getLogger(__name__)


class Operator:
    """Everything that runs in the operator's process, but for kopf."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.clock = ServerClock()
        self.runs = RunCache()
        self.events = EventCache()
        self.ended = asyncio.Event()
        """Set when it was stopped, or when a part ended by itself: `failure` says why."""
        self.failure: BaseException | None = None
        self.waits_for: str | None = "the API server's first answer"
        """What is missing before anything can be decided; None: nothing."""
        self.probes = Probes(self._amiss, self._not_ready, self.metrics.exposition)
        self._stopped = False
        self._settings = settings
        self._name = socket.gethostname()
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def port(self) -> int:
        """Where workers connect."""
        return self.dispatcher.port

    async def connect(self) -> None:
        """Answer probes, wait until the API server answers, then listen for workers.

        Raises:
            ConnectionConfigError: no API server is configured.
            OSError: a port is taken.
        """
        settings = self._settings
        if settings.http_port is not None:
            await self.probes.start(settings.http_host, settings.http_port)
            self._stack.push_async_callback(self.probes.stop)
        connection = await Connection.find(settings.kubeconfig, settings.context)
        self.api = await self._stack.enter_async_context(Api(connection, user_agent=USER_AGENT))
        self.api.on_answer = self.clock.answered
        self.api.on_request = self.metrics.asked
        await self._await_api()
        self.waits_for = "the list of all runs"
        self._wire()
        await self.dispatcher.start(settings.dispatcher_host, settings.dispatcher_port)
        self._stack.push_async_callback(self.dispatcher.stop)
        self._stack.push_async_callback(self._finish_writes)

    def begin(self) -> None:
        """Start everything that goes on by itself."""
        self._spawn(self._run_stream.watch.run(), "watch runs")
        self._spawn(self._announcer.run(), "announce")
        self._spawn(self._keep_clock(), "keep clock")
        self._spawn(self._follow_runs(), "follow runs", ends=True)

    async def stop(self) -> None:
        """Stop in order: deciding, writing, listening, asking. Once stopped, it does nothing."""
        if self._stopped:
            return
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        self.ended.set()
        logger.info("operator stopped")

    def _amiss(self) -> str | None:
        return f"the operator ends: {self.failure}" if self.failure is not None else None

    def _not_ready(self) -> str | None:
        return self._amiss() or (f"waits for {self.waits_for}" if self.waits_for else None)

    async def _await_api(self) -> None:
        outage = Outage(f"connect to {self.api.connection.server}")
        while not self.clock.known:
            try:
                await self.api.get("/version")
            except (UnreachableError, ApiError) as error:
                await outage.pause(error)
        outage.over()

    def _wire(self) -> None:
        namespace = self._settings.namespace
        self.queue = WorkQueue()
        self.clock.on_jump = self.queue.wake_all
        self.registry = ExecutionRegistry(self.clock.now)
        journal = Journal(self.metrics, self.clock.now)
        self.dispatcher = Dispatcher(
            self.registry, self.queue, journal, operator=self._name, namespace=namespace
        )
        self._announcer = Announcer(self.api, self.metrics, operator=self._name)
        self._writer = EventWriter(self.api, self.events, self.queue, journal)
        self._run_stream = RunStream(self.api, self.runs, self.queue, namespace)
        self._event_stream = EventStream(
            self.api,
            self.events,
            self.runs,
            self.queue,
            clock=self.clock,
            journal=journal,
            namespace=namespace,
        )
        self._effects = Effects(
            self.api,
            self.runs,
            self.events,
            self.queue,
            stream=self._event_stream,
            writer=self._writer,
            dispatcher=self.dispatcher,
            announcer=self._announcer,
        )
        self._reconciler = Reconciler(
            self.api,
            self.runs,
            self.events,
            self.registry,
            self.queue,
            clock=self.clock,
            effects=self._effects,
            dispatcher=self.dispatcher,
            announcer=self._announcer,
            journal=journal,
            metrics=self.metrics,
        )
        self._show_metrics()

    def _show_metrics(self) -> None:
        self.metrics.show(self.queue, self.runs, self.events, self.registry)
        self.metrics.is_leader.set(1)
        for resource, watch in (
            ("workflowruns", self._run_stream.watch),
            ("workflowevents", self._event_stream.watch),
        ):
            watch.on_restart = partial(self._count_restart, resource)

    def _count_restart(self, resource: str, cause: str) -> None:
        self.metrics.watch_restarts.labels(resource, cause).inc()

    async def _finish_writes(self) -> None:
        self.queue.close()
        if self._writer.under_way:
            await asyncio.wait(self._writer.under_way, timeout=LAST_WRITES)

    async def _follow_runs(self) -> None:
        """Decide nothing before all runs and then all events are known."""
        await self._run_stream.watch.listed.wait()
        self._spawn(self._event_stream.watch.run(), "watch events")
        self.waits_for = "the list of all events"
        await self._event_stream.watch.listed.wait()
        self.waits_for = None
        for number in range(RECONCILERS):
            self._spawn(self._reconciler.run(), f"reconcile {number}")
        fields = {"runs": len(self.runs), "events": len(self.events)}
        logger.info("operator ready", extra=fields)

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_CHECK)
            try:
                await self.api.get("/version")
            except (UnreachableError, ApiError) as error:
                logger.debug("no time from the API server", extra={"error": str(error)})

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str, *, ends: bool = False) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._part_done if ends else self._part_ended)

    def _part_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self._part_ended(task)

    def _part_ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or self.ended.is_set():
            return
        name = task.get_name()
        self.failure = task.exception() or RuntimeError(f"{name} ended")
        logger.critical("operator ends", extra={"part": name, "error": str(self.failure)})
        self.ended.set()
