"""Dispatcher: workers connect to it, it hands them executions and takes back outcomes.

1. A dispatch enters the registry before anything is awaited: decided twice, it happens once.
2. A connection that closes without Drain: a killed process's socket closes at once and a live
   worker is back within CLOSED_GRACE. One whose heartbeats fail may well be alive behind a broken
   network: SILENT_GRACE. After that its executions are lost.
3. Who connects is asked by the doorkeeper, and serves only what it may. A connection outlives its
   token and its permissions: it is asked again every RECHECK, and when the token expires.
4. Web pages get nothing: a browser would connect to this machine for any page.
5. A message to a worker that is away is not kept: it says what it holds when it comes back, and
   the engine decides again.
5. A handler that may have ended the process of a worker runs alone. The worker that is kept for it
   is given nothing else; what it still holds may take SUSPECT_PATIENCE to end. After that they run
   side by side: a handler that never ends must not hold up all runs of its worker.
6. A worker that declines what it is given rests, longer each time, until it brings an outcome.
"""

import asyncio
import logging
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web

from grctl.models.phases import HandlerKind
from grctl.models.run import WorkflowRun
from grctl.models.wire import (
    BLOCKED_PATH,
    CONNECT_PATH,
    Declined,
    Drain,
    Execute,
    Execution,
    Hello,
    Outcome,
    ReleaseExecution,
)
from grctl.serving.web_pages import refuse_web_pages
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Event, Key
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.admission import NotHereError
from grctl_operator.runtime.workers.blocked_loops import BlockedLoops
from grctl_operator.runtime.workers.doorkeeper import Doorkeeper, Identity, RefusedError
from grctl_operator.runtime.workers.entrance import Entrance
from grctl_operator.runtime.workers.listener import Listener
from grctl_operator.runtime.workers.vestibule import FullError
from grctl_operator.runtime.workers.waiting_line import WaitingLine
from grctl_operator.runtime.workers.worker_session import ProtocolError, WorkerSession
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.offers import Offers
from grctl_operator.views.team import Group, WorkerProcess

HEARTBEAT = 10.0  # s: a ping; unanswered for half of it, the connection counts as broken
CLOSED_GRACE = 1.0  # s: a worker's first try to reconnect, and its Hello
SILENT_GRACE = 30.0  # s: two missed heartbeats and a reconnect
CLOSING = 1.0  # s: for a worker to agree that the connection is over
RECHECK = 300.0  # s: how long somebody goes on who may no more
SOON = 10.0  # s: until the next try to ask again
SUSPECT_PATIENCE = 60.0  # s: most handlers end in that time; nothing new begins there meanwhile
FIRST_REST = 0.1  # s: doubled with each execution that a worker declines
LONGEST_REST = 30.0  # s
MOST_DOUBLINGS = 20
RETRY = {"Retry-After": "1"}

logger = logging.getLogger(__name__)


class Dispatcher:
    """The server that workers connect to.

    Args:
        on_outcome: Is told the run of each outcome that a worker brought.
        on_all_back: Is told that all workers are back that an operator before this one had.
        on_other_handlers: Is told a type whose connected workers have other handlers than before.
    """

    def __init__(
        self,
        registry: ExecutionRegistry,
        queue: WorkQueue,
        journal: Journal,
        *,
        operator: str,
        door: Doorkeeper,
        on_outcome: Callable[[Key], None],
        on_all_back: Callable[[], None],
        on_other_handlers: Callable[[Group], None],
        namespaces: Sequence[str] = (),
        closed_grace: float = CLOSED_GRACE,
        silent_grace: float = SILENT_GRACE,
    ) -> None:
        self.port = 0
        self._on_outcome = on_outcome
        self._on_all_back = on_all_back
        self._on_other_handlers = on_other_handlers
        self._registry = registry
        self._queue = queue
        self._journal = journal
        self._operator = operator
        self._entrance = Entrance(door, namespaces)
        self.admission = self._entrance.admission
        self._grace = {False: closed_grace, True: silent_grace}
        self._line = WaitingLine()
        self._joined: set[Key] = set()
        """Keys that began to wait, or went on, in the reconcile under way."""
        self._offers = Offers()
        self._sessions: dict[str, WorkerSession] = {}
        self._checks: dict[WorkerSession, asyncio.Task[None]] = {}
        self._deadlines: dict[str, tuple[asyncio.TimerHandle, Hello]] = {}
        """When what a worker that is away holds is given up."""
        self._blocked_loops = BlockedLoops(
            registry,
            queue,
            door,
            wait_longer=self._wait_longer,
            offer_room=self._offer_room,
            monotonic=time.monotonic,
        )
        self._patience: dict[Key, asyncio.TimerHandle] = {}
        """Of runs for which a worker is kept, and which are not there yet."""
        self._asked_alone: set[Key] = set()
        """Keys for which a worker is wanted in the reconcile under way."""
        self._rests: dict[str, asyncio.TimerHandle] = {}
        self._listener: Listener | None = None

    @property
    def waiting(self) -> int:
        """Count the runs that wait for a worker: one that has the handler, or one with room."""
        return len(self._line)

    @property
    def unserved(self) -> int:
        """Count the runs that wait for a worker which has the handler."""
        return self._line.unserved

    @property
    def connections(self) -> int:
        """Count the connections, also those of workers that are not let in yet."""
        return len(self._entrance.sessions)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen. `port` 0 takes a free one; `self.port` says which."""
        app = web.Application(middlewares=[refuse_web_pages(host)])
        app.router.add_get(CONNECT_PATH, self._connect)
        app.router.add_post(BLOCKED_PATH, self._blocked_loops.take)
        self._listener = Listener(app)
        await self._listener.start(host, port, tls)
        self.port = self._listener.port
        logger.info(
            "waiting for workers",
            extra={"address": f"{'wss' if tls else 'ws'}://{host}:{self.port}"},
        )

    async def stop(self) -> None:
        """Say Goodbye to all workers and stop listening."""
        for deadline, _ in self._deadlines.values():
            deadline.cancel()
        for timers in (self._patience, self._rests):
            for timer in timers.values():
                timer.cancel()
        sessions = self._entrance.sessions
        await asyncio.gather(*(each.leave("The operator stops") for each in sessions))
        if self._listener is not None:
            await self._listener.stop()

    # What the engine decided.

    def dispatch(self, key: Key, run: WorkflowRun, effect: decision.Dispatch) -> None:
        """Give a handler to a worker; where none has room, wait for one."""
        if effect.ahead:
            self._dispatch_ahead(key, run, effect)
            return
        group = (key.namespace, run.spec.workflow.type)
        worker = self._choose(key, group, effect)
        if worker is None:
            self._join_line(key, group, room=True)
            return
        waited = self._line.leave(key)
        execution = _execution(key, run, effect)
        payload = _payload(run, effect)
        message = Execute(execution=execution, payload=payload, store=run.status.store)
        self._send(worker, message, effect.event)
        if waited is not None:
            self._offer_room(waited)  # room for more than one may have come up at once

    def _choose(self, key: Key, group: Group, effect: decision.Dispatch) -> WorkerProcess | None:
        roster = self._registry.roster
        if not effect.alone:
            return roster.choose(group, effect.kind, effect.name, effect.but)
        worker = roster.reserve_clear(key, group, effect.kind, effect.name, effect.but)
        if worker is not None:
            self._end_patience(key)
        return worker

    def _dispatch_ahead(self, key: Key, run: WorkflowRun, effect: decision.Dispatch) -> None:
        """Hand events to the worker that holds what they are built on, if it is still there."""
        worker = self._registry.find_holder(effect.base)
        event = effect.event
        if worker is None or event is None:
            return
        for number, each in enumerate((event, *effect.then)):
            link = replace(
                effect, name=each.event_name, event=each, commits=effect.commits + number
            )
            execution = _execution(key, run, link)
            message = Execute(execution=execution, payload=each.payload, ahead=True)
            self._send(worker, message, each)
            effect = replace(effect, base=execution.id)

    def _send(self, worker: WorkerProcess, message: Execute, event: Event | None) -> None:
        self._registry.on_dispatch(message.execution, worker, ahead=message.ahead)
        self._sessions[worker.instance].send(message)
        self._journal.dispatched(message.execution, worker.name, event)

    def await_worker(self, key: Key, run: WorkflowRun, effect: decision.AwaitWorker) -> None:
        """Reconcile a key when a worker of the type connects, or when one has room."""
        self._join_line(key, (key.namespace, run.spec.workflow.type), room=effect.room)

    def _join_line(self, key: Key, group: Group, *, room: bool) -> None:
        self._line.join(key, group, room=room)
        self._joined.add(key)

    def await_clear_worker(
        self, key: Key, run: WorkflowRun, effect: decision.AwaitClearWorker
    ) -> None:
        """Keep a worker for a run that must run alone. The run is reconciled when it is clear."""
        group = (key.namespace, run.spec.workflow.type)
        self._asked_alone.add(key)
        worker = self._registry.roster.reserve(key, group, effect.kind, effect.name, effect.but)
        if worker is None or key in self._patience:
            return
        logger.info("worker kept for one run", extra={"worker": worker.name, "run": str(key)})
        loop = asyncio.get_running_loop()
        self._patience[key] = loop.call_later(SUSPECT_PATIENCE, self._lose_patience, key)

    def _lose_patience(self, key: Key) -> None:
        self._patience.pop(key, None)
        self._registry.begin_beside_others(key)

    def _end_patience(self, key: Key) -> None:
        timer = self._patience.pop(key, None)
        if timer is not None:
            timer.cancel()

    def release(self, effect: decision.Release) -> None:
        """Tell the worker that an execution is over. A worker that is away is told when back."""
        execution = self._registry.find(effect.execution)
        released = self._registry.forget_execution(effect.execution)
        if execution is None or released is None:
            return
        if not effect.committed:
            self._journal.void(execution, effect.message)
        instance, groups = released
        session = self._sessions.get(instance)
        if session is not None:
            self._tell_released(session, effect)
        for group in groups:
            self._offer_room(group)

    def _tell_released(self, session: WorkerSession, effect: decision.Release) -> None:
        message = ReleaseExecution(
            execution=effect.execution, committed=effect.committed, message=effect.message
        )
        if effect.committed:
            session.send_with_next(message)
        else:
            session.send(message)  # it may run still, and is to stop

    def decided(self, key: Key) -> None:
        """Note the end of a reconcile: a run that was woken and used no room passes it on."""
        self._keep_if_asked(key)
        group, joined = self._line.group(key), key in self._joined
        self._joined.discard(key)
        if group is None:
            return
        if not joined:
            self._line.leave(key)  # it is gone, or does not wait for a worker any more
        self._offer_room(group, after=key)

    def _keep_if_asked(self, key: Key) -> None:
        """Keep a worker no longer for a run that does not want it any more."""
        if key in self._asked_alone:
            self._asked_alone.discard(key)
            return
        self._end_patience(key)
        for group in self._registry.end_reservation(key):
            self._offer_room(group)

    # What workers do.

    async def admit(self, session: WorkerSession) -> int:
        """Wait until a worker may come in. Return how much it may send."""
        return await self._entrance.admit(session)

    async def permit(self, session: WorkerSession, hello: Hello) -> None:
        """Refuse who may not do what it offers."""
        await self._entrance.permit(session, hello)
        if not self._registry.is_identity_of(hello, self._entrance.identity(session).name):
            raise ProtocolError("Another worker is connected as this one; start it again")

    def refuse(self, session: WorkerSession, why: str) -> None:
        """Note that a worker was refused."""
        self._entrance.refuse(session, why)

    def welcome(self, session: WorkerSession, hello: Hello) -> None:
        """Take in a worker: what it holds, what it can, and who waits for it."""
        self._entrance.let_in(session)
        self._replace(hello.instance, session)
        self._checks[session] = asyncio.create_task(self._check_again(session, hello))
        were_back = self._registry.all_back
        for key in self._registry.on_hello(hello, self._entrance.identity(session).name):
            self._queue.add(key)
        if self._registry.all_back and not were_back:
            self._on_all_back()
        for execution in hello.held:
            self._void_if_anothers(session, execution)
        self._wake_waiting(hello.instance)
        for group in self._offers.on_hello(hello):
            self._on_other_handlers(group)
        fields = {"worker": hello.worker, "namespace": hello.namespace, "held": len(hello.held)}
        logger.info("worker connected", extra=fields | {"capacity": hello.capacity})

    def _wake_waiting(self, instance: str) -> None:
        """Wake all runs that must look at a new catalogue, or as many as there is room for."""
        worker = self._registry.roster.find(instance)
        for group in worker.groups if worker else ():
            if worker and self._registry.roster.count_alike(worker, group[1]) > 1:
                self._offer_room(group)
                continue
            for key in self._line.wake_all(group):
                self._queue.add(key)

    def take(self, session: WorkerSession, message: Outcome | Declined | Drain) -> None:
        """Keep an outcome until the engine has dealt with it; dispatch nothing to who drains."""
        hello = session.hello
        if hello is None or self._sessions.get(hello.instance) is not session:
            return
        if isinstance(message, Drain):
            self._registry.on_drain(hello.instance)
            logger.info("worker drains", extra={"worker": hello.worker})
            return
        if isinstance(message, Declined):
            self._take_back(hello.instance, message.execution)
            return
        if not self._void_if_anothers(session, message.execution):
            self._on_outcome(self._registry.on_outcome(hello.instance, message))

    def _take_back(self, instance: str, execution: str) -> None:
        """Forget an execution that its worker did not begin."""
        key = self._registry.on_decline(instance, execution)
        if key is None:
            return
        worker = self._registry.roster.find(instance)
        if worker is not None and worker.declined:
            self._rest(worker)
        self._queue.add(key)

    def _rest(self, worker: WorkerProcess) -> None:
        """Rest a worker for a while: what it declines would be given to it again."""
        self._registry.set_resting(worker.instance, resting=True)
        doubled: float = FIRST_REST * 2 ** min(worker.declined - 1, MOST_DOUBLINGS)
        rest = min(doubled, LONGEST_REST)
        fields = {"worker": worker.name, "declined": worker.declined, "seconds": rest}
        logger.warning("worker rests: it declined what it was given", extra=fields)
        known = self._rests.pop(worker.instance, None)
        if known is not None:
            known.cancel()
        loop = asyncio.get_running_loop()
        self._rests[worker.instance] = loop.call_later(rest, self._end_rest, worker.instance)

    def _end_rest(self, instance: str) -> None:
        self._rests.pop(instance, None)
        for group in self._registry.set_resting(instance, resting=False):
            self._offer_room(group)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        async def open_socket(largest: int) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(
                heartbeat=HEARTBEAT, max_msg_size=largest, timeout=CLOSING
            )
            await socket.prepare(request)
            return socket

        session = WorkerSession(open_socket, self, self._operator, request.headers)
        try:
            self._entrance.enter(session, request.remote or "")
        except FullError:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=RETRY)
        try:
            return await session.run()
        finally:
            self._entrance.leave(session)
            self._ended(session)

    async def _check_again(self, session: WorkerSession, hello: Hello) -> None:
        """Ask again who a worker is and whether it may, for as long as it is connected."""
        while True:
            await asyncio.sleep(self._next_check(self._entrance.identity(session)))
            try:
                await self._entrance.look_again(session, hello)
            except NotHereError:
                continue  # the API server is away: nothing happens to any run either
            except RefusedError as error:
                fields = {"worker": hello.worker, "error": str(error)}
                logger.info("worker must prove itself again", extra=fields)
                await session.leave(str(error))
                return

    def _next_check(self, identity: Identity) -> float:
        if identity.expires is None:
            return RECHECK
        left = (identity.expires - self._registry.now()).total_seconds()
        return min(RECHECK, max(left, SOON))

    def _void_if_anothers(self, session: WorkerSession, execution: Execution) -> bool:
        """Tell a worker to forget an execution that it was not given. Give whether it is so."""
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

    def _replace(self, instance: str, session: WorkerSession) -> None:
        """Make this the worker's one connection."""
        deadline = self._deadlines.pop(instance, None)
        if deadline is not None:
            deadline[0].cancel()
        self._sessions[instance] = session

    def _ended(self, session: WorkerSession) -> None:
        hello, check = session.hello, self._checks.pop(session, None)
        if check is not None:
            check.cancel()
        if hello is None or self._sessions.get(hello.instance) is not session:
            return
        del self._sessions[hello.instance]
        for group in self._offers.on_disconnect(hello.instance):
            self._on_other_handlers(group)
        holds = self._registry.on_disconnect(hello.instance, session.ending)
        logger.info("worker disconnected", extra={"worker": hello.worker, "silent": session.silent})
        if holds:
            self._give_up_in(self._grace[session.silent], hello)
        if session.silent:  # it may last: its runs say that their worker is away
            for key in self._registry.get_runs_held_by(hello.instance):
                self._queue.add(key)

    def _give_up_in(self, seconds: float, hello: Hello) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._give_up, hello)
        self._deadlines[hello.instance] = (timer, hello)

    def _wait_longer(self, instance: str) -> None:
        """Wait anew for a worker that is away, as it says that it lives."""
        deadline = self._deadlines.get(instance)
        if deadline is not None:
            deadline[0].cancel()
            self._give_up_in(self._grace[True], deadline[1])

    def _give_up(self, hello: Hello) -> None:
        self._deadlines.pop(hello.instance, None)
        lost = self._registry.give_up(hello.instance)
        logger.warning("worker lost", extra={"worker": hello.worker, "runs": len(lost)})
        for key in lost:
            self._queue.add(key)

    def _offer_room(self, group: Group, after: Key | None = None) -> None:
        if self._registry.roster.has_room(group):
            key = self._line.wake_next(group, after)
            if key is not None:
                self._queue.add(key)


def _execution(key: Key, run: WorkflowRun, effect: decision.Dispatch) -> Execution:
    return Execution(
        id=secrets.token_hex(16),
        namespace=key.namespace,
        workflow_id=key.name,
        workflow_type=run.spec.workflow.type,
        run_uid=run.metadata.uid,
        commits=effect.commits,
        base=effect.base,
        handler_kind=effect.kind,
        handler_name=effect.name,
        attempt=effect.attempt,
        event=effect.event.name if effect.event else None,
        event_uid=effect.event.uid if effect.event else None,
    )


def _payload(run: WorkflowRun, effect: decision.Dispatch) -> object:
    if effect.event is not None:
        return effect.event.payload
    return run.spec.workflow.input if effect.kind is HandlerKind.START else None
