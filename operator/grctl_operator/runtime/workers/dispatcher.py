"""Dispatcher: workers connect to it; it gives them executions and takes back their outcomes.

1. A dispatch enters the registry before anything is awaited: decided twice, it happens once.
2. A worker serves only what it may: see WorkerConnections. An execution belongs to the account
   that it was given to.
3. Web pages get nothing: a browser would connect to this machine for any page.
4. A message to a worker that is away is not kept: when the worker comes back it says what it holds,
   and the engine decides again.

Beside it: who is accepted (`connections`), what is sent (`execute_messages`), which runs wait
(`waiting_runs`), which worker is kept for one run (`clear_workers`), which worker is away
(`absent_workers`), which one rests (`decline_backoff`) and what handlers record (`records`).
"""

import logging
import ssl
import time
from asyncio import gather
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from grctl.models.run import WorkflowRun
from grctl.models.wire import (
    BLOCKED_PATH,
    CONNECT_PATH,
    Declined,
    Drain,
    Execute,
    Execution,
    Hello,
    RecordOperations,
    ReleaseExecution,
)
from grctl.serving.web_pages import refuse_web_pages
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Event, Key
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.absent_workers import (
    CLOSED_GRACE_S,
    SILENT_GRACE_S,
    AbsentWorkers,
)
from grctl_operator.runtime.workers.blocked_loops import BlockedLoops
from grctl_operator.runtime.workers.clear_workers import ClearWorkers
from grctl_operator.runtime.workers.connection_limits import TooManyConnectionsError
from grctl_operator.runtime.workers.connections import WorkerConnections
from grctl_operator.runtime.workers.decline_backoff import DeclineBackOff
from grctl_operator.runtime.workers.execute_messages import (
    execute_message,
    execute_messages_ahead,
)
from grctl_operator.runtime.workers.listener import Listener
from grctl_operator.runtime.workers.records import OnRecord, RecordExchange, time_for
from grctl_operator.runtime.workers.waiting_runs import WaitingRuns
from grctl_operator.runtime.workers.worker_auth import WorkerAuth
from grctl_operator.runtime.workers.worker_session import (
    FromWorkerMessage,
    ProtocolError,
    WorkerSession,
)
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.offers import Offers
from grctl_operator.views.team import Group, WorkerProcess

PING_EVERY_S = 10.0  # a ping; unanswered for half of it, the connection counts as broken
GOODBYE_TIMEOUT_S = 1.0  # for a worker to agree that the connection is over
RETRY_AFTER = {"Retry-After": "1"}

logger = logging.getLogger(__name__)


class Dispatcher:
    """The server that workers connect to.

    Args:
        registry: The executions that workers hold.
        queue: Where runs are added that must be decided again.
        activity_log: Is told of each dispatch and of each void outcome.
        operator: This operator's name, for workers.
        auth: Decides which workers may connect.
        on_outcome: Is told the run of each outcome that a worker brought.
        on_record: Is told the run of each record that a worker sent.
        on_all_back: Is told that all workers are back that an operator before this one had.
        on_other_handlers: Is told a type whose connected workers have other handlers than before.
        namespaces: The namespaces served; none: all.
        closed_grace: Of a worker whose connection closed, in seconds.
        silent_grace: Of a worker whose heartbeats failed, in seconds.
    """

    def __init__(
        self,
        registry: ExecutionRegistry,
        queue: WorkQueue,
        activity_log: ActivityLog,
        *,
        operator: str,
        auth: WorkerAuth,
        on_outcome: Callable[[Key], None],
        on_record: OnRecord,
        on_all_back: Callable[[], None],
        on_other_handlers: Callable[[Group], None],
        namespaces: Sequence[str] = (),
        closed_grace: float = CLOSED_GRACE_S,
        silent_grace: float = SILENT_GRACE_S,
    ) -> None:
        self.port = 0
        self._on_outcome = on_outcome
        self._on_all_back = on_all_back
        self._on_other_handlers = on_other_handlers
        self._registry = registry
        self._queue = queue
        self._activity_log = activity_log
        self._records = RecordExchange(
            registry, activity_log, on_record=on_record, on_outcome=on_outcome
        )
        self._operator = operator
        self._connections = WorkerConnections(auth, namespaces, registry.now)
        self.gate = self._connections.gate
        self._sessions: dict[str, WorkerSession] = {}
        """The one connection of each worker that is accepted, by its instance."""
        self._offers = Offers()
        self._waiting = WaitingRuns(registry.roster, queue)
        self._clear = ClearWorkers(registry, self._waiting.offer_room)
        self._resting = DeclineBackOff(registry, self._waiting.offer_room)
        self._absent = AbsentWorkers(registry, queue, closed_grace, silent_grace)
        self._blocked_loops = BlockedLoops(
            registry,
            queue,
            auth,
            wait_longer=self._absent.wait_longer,
            offer_room=self._waiting.offer_room,
            monotonic=time.monotonic,
        )
        self._listener: Listener | None = None

    @property
    def waiting(self) -> int:
        """Count the runs that wait for a worker: one that has the handler, or one with room."""
        return len(self._waiting)

    @property
    def without_handler(self) -> int:
        """Count the runs that wait for a worker which has the handler."""
        return self._waiting.without_handler

    @property
    def connections(self) -> int:
        """Count the connections, also those of workers that are not accepted yet."""
        return len(self._connections.sessions)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen. `port` 0 takes a free one; `self.port` says which."""
        app = web.Application(middlewares=[refuse_web_pages(host)])
        app.router.add_get(CONNECT_PATH, self._connect)
        app.router.add_post(BLOCKED_PATH, self._blocked_loops.on_report)
        self._listener = Listener(app)
        await self._listener.start(host, port, tls)
        self.port = self._listener.port
        logger.info(
            "waiting for workers",
            extra={"address": f"{'wss' if tls else 'ws'}://{host}:{self.port}"},
        )

    async def stop(self) -> None:
        """Send Goodbye to all workers and stop listening."""
        self._absent.stop()
        self._clear.stop()
        self._resting.stop()
        sessions = self._connections.sessions
        await gather(*(each.leave("The operator stops") for each in sessions))
        if self._listener is not None:
            await self._listener.stop()

    # What the engine decided.

    def dispatch(self, key: Key, run: WorkflowRun, effect: decision.Dispatch) -> None:
        """Send a handler to a worker. If no worker has room, the run waits for one."""
        if effect.ahead:
            self._dispatch_ahead(key, run, effect)
            return
        group = (key.namespace, run.spec.workflow.type)
        worker = self._choose(key, group, effect, has_journal=run.status.journal is not None)
        if worker is None:
            self._waiting.join(key, group, room=True)
            return
        waited = self._waiting.leave(key)
        self._send(worker, execute_message(key, run, effect, self._time(worker)), effect.event)
        if waited is not None:
            self._waiting.offer_room(waited)  # room for more than one may have come up at once

    def _choose(
        self, key: Key, group: Group, effect: decision.Dispatch, *, has_journal: bool
    ) -> WorkerProcess | None:
        if effect.alone:
            return self._clear.choose(key, group, effect, has_journal=has_journal)
        return self._registry.roster.choose(
            group, effect.kind, effect.name, effect.but, has_journal=has_journal
        )

    def _dispatch_ahead(self, key: Key, run: WorkflowRun, effect: decision.Dispatch) -> None:
        """Send events to the worker that holds what they are built on, if it is still there."""
        worker = self._registry.find_holder(effect.base)
        if worker is None:
            return
        for message, event in execute_messages_ahead(key, run, effect, self._time(worker)):
            self._send(worker, message, event)

    def _time(self, worker: WorkerProcess) -> datetime | None:
        return time_for(self._sessions[worker.instance], self._registry.now)

    def _send(self, worker: WorkerProcess, message: Execute, event: Event | None) -> None:
        self._registry.on_dispatch(message.execution, worker, ahead=message.ahead)
        self._sessions[worker.instance].send(message)
        self._activity_log.on_dispatch(message.execution, worker.name, event)

    def await_worker(self, key: Key, run: WorkflowRun, effect: decision.AwaitWorker) -> None:
        """Reconcile a run when a worker of its type connects, or when one has room."""
        self._waiting.join(key, (key.namespace, run.spec.workflow.type), room=effect.room)

    def await_clear_worker(
        self, key: Key, run: WorkflowRun, effect: decision.AwaitClearWorker
    ) -> None:
        """Keep a worker for a run that must run alone. The run is reconciled when it is clear."""
        group, has_journal = (key.namespace, run.spec.workflow.type), run.status.journal is not None
        self._clear.reserve(key, group, effect, has_journal=has_journal)

    def release(self, effect: decision.Release) -> None:
        """Tell the worker that an execution is over. A worker that is away is told when back."""
        entry = self._registry.find_entry(effect.execution)
        released = self._registry.forget_execution(effect.execution)
        if entry is None or released is None:
            return
        awaited = effect.committed and self._registry.on_commit(entry)
        if effect.committed:
            self._activity_log.on_superseded(entry.held.records)
        else:
            self._activity_log.on_void(entry.execution, effect.message)
        instance, groups = released
        session = self._sessions.get(instance)
        if session is not None:
            _send_release(session, effect, awaited=awaited)
        for group in groups:
            self._waiting.offer_room(group)

    def confirm(self, run: WorkflowRun | None, effect: decision.ConfirmRecords) -> None:
        """Tell a worker which of its records are durable."""
        entry = self._registry.find_entry(effect.execution)
        session = self._sessions.get(entry.instance) if entry else None
        self._records.confirm(session, run, effect)

    def on_reconciled(self, key: Key) -> None:
        """Note the end of a reconcile: what the run does not ask for any more goes to others."""
        self._clear.on_reconciled(key)
        self._waiting.on_reconciled(key)

    # What workers do.

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        async def open_socket(largest: int) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(
                heartbeat=PING_EVERY_S, max_msg_size=largest, timeout=GOODBYE_TIMEOUT_S
            )
            await socket.prepare(request)
            return socket

        session = WorkerSession(open_socket, self, self._operator, request.headers)
        try:
            self._connections.on_connect(session, request.remote or "")
        except TooManyConnectionsError:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=RETRY_AFTER)
        try:
            return await session.run()
        finally:
            self._connections.on_disconnect(session)
            self._on_disconnect(session)

    async def admit(self, session: WorkerSession) -> int:
        """Wait until a worker may say Hello. Return how much it may send."""
        return await self._connections.admit(session)

    async def authorize(self, session: WorkerSession, hello: Hello) -> None:
        """Return if a worker may execute what it offers."""
        await self._connections.authorize(session, hello)
        if not self._registry.is_identity_of(hello, self._connections.get_identity(session).name):
            raise ProtocolError("Another worker is connected as this one; start it again")

    def on_refusal(self, session: WorkerSession, why: str) -> None:
        """Note that a worker was refused."""
        self._connections.on_refusal(session, why)

    def accept(self, session: WorkerSession, hello: Hello) -> None:
        """Accept a worker: note what it holds and offers, and wake the runs that wait for it."""
        self._connections.on_accept(session, hello)
        self._absent.on_return(hello.instance)
        self._sessions[hello.instance] = session
        self._note_return(session, hello)
        for execution in hello.held:
            self._void_if_not_its_own(session, execution)
        worker = self._registry.roster.find(hello.instance)
        if worker is not None:
            self._waiting.wake_for(worker)
        for group in self._offers.on_hello(hello):
            self._on_other_handlers(group)
        fields = {"worker": hello.worker, "namespace": hello.namespace, "held": len(hello.held)}
        logger.info("worker connected", extra=fields | {"capacity": hello.capacity})

    def _note_return(self, session: WorkerSession, hello: Hello) -> None:
        were_back = self._registry.all_back
        for key in self._registry.on_hello(hello, self._connections.get_identity(session).name):
            self._queue.add(key)
        if self._registry.all_back and not were_back:
            self._on_all_back()

    def on_message(self, session: WorkerSession, message: FromWorkerMessage) -> None:
        """Take a message of a worker. An outcome is kept until the engine has dealt with it."""
        hello = session.hello
        if hello is None or self._sessions.get(hello.instance) is not session:
            return
        if isinstance(message, Drain):
            self._registry.on_drain(hello.instance)
            logger.info("worker drains", extra={"worker": hello.worker})
            return
        if isinstance(message, Declined):
            self._on_decline(hello.instance, message.execution)
            return
        if self._void_if_not_its_own(session, message.execution):
            return
        if isinstance(message, RecordOperations):
            self._records.take(session, hello.instance, message)
        else:
            self._on_outcome(self._registry.on_outcome(hello.instance, message))

    def _on_decline(self, instance: str, execution: str) -> None:
        """Forget an execution that its worker did not begin."""
        key = self._registry.on_decline(instance, execution)
        if key is None:
            return
        worker = self._registry.roster.find(instance)
        if worker is not None:
            self._resting.on_decline(worker)
        self._queue.add(key)

    def _void_if_not_its_own(self, session: WorkerSession, execution: Execution) -> bool:
        """Tell a worker to forget an execution that it was not given. Return whether it is so."""
        hello = session.hello
        if hello is not None and self._registry.may_hold(execution, hello.instance):
            return False
        message = (
            "it was not given to this worker's ServiceAccount, or not of what it serves, or is one"
            " of too many that this operator does not know"
        )
        fields = {"execution": execution.id, "worker": hello.worker if hello else None}
        logger.warning("execution of another claimed", extra=fields)
        session.send(ReleaseExecution(execution=execution.id, committed=False, message=message))
        return True

    def _on_disconnect(self, session: WorkerSession) -> None:
        hello = session.hello
        if hello is None or self._sessions.get(hello.instance) is not session:
            return
        del self._sessions[hello.instance]
        for group in self._offers.on_disconnect(hello.instance):
            self._on_other_handlers(group)
        holds = self._registry.on_disconnect(hello.instance, session.ending)
        fields = {"worker": hello.worker, "silent": session.is_silent}
        logger.info("worker disconnected", extra=fields)
        if holds:
            self._absent.on_leave(hello, silent=session.is_silent)
        if session.is_silent:  # it may last: its runs say that their worker is away
            for key in self._registry.get_runs_held_by(hello.instance):
                self._queue.add(key)


def _send_release(session: WorkerSession, effect: decision.Release, *, awaited: bool) -> None:
    message = ReleaseExecution(
        execution=effect.execution, committed=effect.committed, message=effect.message
    )
    if effect.committed and not awaited:
        session.send_with_next(message)
    else:
        session.send(message)  # the handler may run still, and is to stop
