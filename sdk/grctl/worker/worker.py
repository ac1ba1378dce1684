"""Worker: runs the handlers of workflows in one process, from its first connection to its last.

1. It runs the executions that the operator sends, and returns their outcomes. It decides nothing
   about a run.
2. A worker that is stopped takes no new executions, finishes those that it holds, and waits until
   the operator releases them.
3. It holds an outcome until the operator says that it is committed or void.
"""

import asyncio
import random
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from grctl.arguments import (
    check_optional_text,
    check_seconds,
    check_whole,
    seconds_of,
    wrong_type,
)
from grctl.backoff import Uniform
from grctl.dialect import attribute_elsewhere, without
from grctl.logs.loggers import get_logger
from grctl.models.phases import HandlerKind
from grctl.models.wire import (
    MAX_WORKER_CAPACITY,
    Catalogue,
    Drain,
    Execute,
    Hello,
    OfferedHandler,
    RecordedOperations,
    ReleaseExecution,
    Welcome,
)
from grctl.worker import identity
from grctl.worker.blocked import Reporter
from grctl.worker.connection import Message, OperatorConnection, Sleep
from grctl.worker.executions import HeldExecutions
from grctl.worker.handler_failure import policy_for_timeouts
from grctl.worker.health import WorkerParts, serving_probes
from grctl.worker.hello import check_size, executions_that_fit
from grctl.worker.lag import LoopWatch
from grctl.worker.signals import stopping_signals
from grctl.worker.stopping import WorkerStop
from grctl.workflow.handler import Handler
from grctl.workflow.query import Query
from grctl.workflow.workflow import Workflow, workflow_of

logger = get_logger(__name__)

DEFAULT_HANDLERS_PER_WORKER = 100  # at once; they wait for I/O most of the time
DEFAULT_GRACE_S = 30.0  # the time that a pod has between SIGTERM and SIGKILL

WORKER_ELSEWHERE = {
    "worker_id": "the operator knows a worker by its name: pass Worker(name=...)",
    "worker_name": "the operator knows a worker by its name: pass Worker(name=...)",
    "wait_until_ready": "a run that is started before its worker waits for it; /readyz of"
    " Worker(http_port=...) answers once it is connected",
}
"""What stands for the attributes that a worker of the first grctl has."""


class Worker:
    """Runs the handlers of workflows, all in one event loop.

    A call that blocks the loop (`time.sleep`, a driver without async) blocks every handler: pass it
    to `asyncio.to_thread`. From 3 s on, the log and the run name the handler and the line.

    Args:
        workflows: The workflows; a handler stands for its workflow.
        operator_url: Address of the operator. Defaults to `$GRCTL_OPERATOR_URL`, then to
            `http://127.0.0.1:8700`.
        capacity: How many handlers run at once.
        name: A name that outlives restarts, another for each worker of a namespace. Defaults to
            `$GRCTL_WORKER_NAME`, then to the machine's (in a pod: the pod's).
        namespace: The namespace whose runs it serves. Defaults to `$GRCTL_NAMESPACE`, then to the
            pod's, then to `default`.
        grace: Seconds that running handlers get to end when the worker is stopped.
        http_port: Where `/healthz`, `/readyz` and, with the extra `metrics`, `/metrics` are
            answered; 0: any free port, which is logged; None: nowhere.
        http_host: The address to listen on for these.
        uniform: Source of the jitter between connection attempts; for tests.
        sleep: Waits between them; for tests.

    Raises:
        TypeError: something in `workflows` is not a workflow, or an argument is of a wrong type.
        ValueError: a workflow without a start handler, two of one type, a handler whose
            parameters cannot be made from a payload, or one that names a step or an event (a
            constant in its code) which its workflow does not have.

    Example:
        >>> await Worker(workflows=[order]).run()
    """

    @without(
        connection="there is no NATS. The operator is found by operator_url or GRCTL_OPERATOR_URL",
        workflow_logger="ctx.logger writes to the logger 'grctl.handlers': configure that one",
    )
    def __init__(
        self,
        workflows: Iterable[Workflow | Handler[Any]],
        operator_url: str | None = None,
        *,
        capacity: int = DEFAULT_HANDLERS_PER_WORKER,
        name: str | None = None,
        namespace: str | None = None,
        grace: float = DEFAULT_GRACE_S,
        http_port: int | None = None,
        http_host: str = "127.0.0.1",
        uniform: Uniform = random.uniform,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        texts = {"operator_url": operator_url, "name": name}
        texts |= {"namespace": namespace, "http_host": http_host}
        for argument, text in texts.items():
            check_optional_text(argument, text)
        if http_port is not None:
            check_whole("http_port", http_port)
        _check_capacity(capacity)
        _check_grace(grace)
        self._grace_s = seconds_of("grace", grace)
        self._workflows = _by_type(workflows)
        self._catalogues = tuple(_catalogue(each) for each in self._workflows.values())
        check_size(self._catalogues)
        self._capacity = capacity
        self._http = (http_host, http_port)
        self._given_name = name
        self._name = ""
        self._instance = uuid.uuid4().hex
        self._namespace = identity.namespace(namespace)
        self._connection = OperatorConnection(
            identity.operator_url(operator_url),
            self._hello,
            self._receive,
            uniform=uniform,
            sleep=sleep,
        )
        self._loop_watch = LoopWatch(Reporter(self._instance, lambda: self._connection.welcomed_by))
        self._executions = HeldExecutions(
            self._workflows,
            capacity,
            self._connection.send,
            protocol=lambda: self._connection.protocol,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Serve until stopped, by SIGTERM or SIGINT or `stop()`, and return when all is finished.

        Signals are listened to in the main thread only.

        Raises:
            OSError: the port for probes is taken.
        """
        self._loop = asyncio.get_running_loop()
        host, port = self._http
        parts = WorkerParts(self._connection, self._executions, self._loop_watch)
        with (
            identity.worker_name(self._given_name) as self._name,
            stopping_signals(self._stop),
            self._loop_watch.watching(),
        ):
            async with serving_probes(host, port, parts, self._stopping.is_set):
                await self._serve()
        self._ended.set()

    async def start(self) -> None:
        """Serve until stopped, as `run` does."""
        await self.run()

    async def _serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                connecting = group.create_task(self._connection.run())
                await self._stopping.wait()
                await self._leave()
                connecting.cancel()
        finally:
            await self._executions.abandon()

    def stop(self, shutdown_timeout: float | None = None) -> WorkerStop:
        """Stop gracefully; a second call stops at once. May be called from any thread.

        The returned value may be awaited, in the worker's event loop, to wait for the end.

        Args:
            shutdown_timeout: Seconds that running handlers get to end. None: the worker's `grace`.

        Raises:
            TypeError: the timeout is not a number of seconds.
            ValueError: it is negative, or not a number.
        """
        if shutdown_timeout is not None:
            _check_grace(shutdown_timeout, "shutdown_timeout")
            self._grace_s = seconds_of("shutdown_timeout", shutdown_timeout)
        if self._loop is None:
            self._stop()
        else:
            self._loop.call_soon_threadsafe(self._stop)
        return WorkerStop(self._wait_for_end)

    async def _wait_for_end(self) -> None:
        """Wait until `run` has returned. A worker that never ran has ended."""
        if self._loop is not None:
            await self._ended.wait()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_elsewhere(self, name, WORKER_ELSEWHERE)

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._at_once.set()
        self._stopping.set()

    async def _leave(self) -> None:
        """Take no new executions, and wait for the end of those held, within the grace period."""
        logger.info("stopping", extra={"held": len(self._executions.held)})
        await self._connection.send(Drain())
        await self._executions.decline()
        waits = [
            asyncio.create_task(event.wait()) for event in (self._executions.empty, self._at_once)
        ]
        await asyncio.wait(waits, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _hello(self) -> Hello:
        return Hello(
            worker=self._name,
            instance=self._instance,
            namespace=self._namespace,
            capacity=0 if self._stopping.is_set() else self._capacity,
            catalogues=self._catalogues,
            held=executions_that_fit(self._executions.held),
        )

    async def _receive(self, message: Message) -> None:
        match message:
            case Welcome():
                await self._catch_up()
            case Execute():
                await self._executions.accept(message)
            case RecordedOperations():
                self._executions.on_recorded(message)
            case ReleaseExecution():
                self._executions.release(message)

    async def _catch_up(self) -> None:
        """Repeat the messages that the operator may not have received."""
        for message in self._executions.unanswered:
            await self._connection.send(message)
        if self._stopping.is_set():
            await self._connection.send(Drain())


def _check_capacity(capacity: int) -> None:
    check_whole("capacity", capacity)
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, not {capacity}.")
    if capacity > MAX_WORKER_CAPACITY:
        raise ValueError(f"capacity must be at most {MAX_WORKER_CAPACITY}, not {capacity}.")


def _check_grace(grace: float, argument: str = "grace") -> None:
    check_seconds(argument, grace)
    if not grace >= 0:  # NaN too
        raise ValueError(f"{argument} must be at least 0 seconds, not {grace}.")


def _by_type(candidates: Iterable[Any]) -> dict[str, Workflow]:
    if isinstance(candidates, Workflow | Handler | Query):
        raise TypeError(f"workflows is a list: write Worker(workflows=[...]), not {candidates!r}.")
    if not isinstance(candidates, Iterable):
        raise wrong_type("workflows", candidates, "a list of workflows")
    found: dict[str, Workflow] = {}
    for each in (workflow_of(candidate) for candidate in candidates):
        if found.setdefault(each.workflow_type, each) is not each:
            raise ValueError(f"Two workflows are of type {each.workflow_type!r}; give it to one.")
        if each.find(HandlerKind.START, "start") is None:
            raise ValueError(
                f"{each.workflow_type} has no start handler: define one with"
                " `@....start()` above `async def start(ctx: Context) -> Directive:`"
            )
        each.check_named_handlers()
    if not found:
        raise ValueError("workflows is empty: a worker needs at least one.")
    return found


def _catalogue(workflow: Workflow) -> Catalogue:
    return Catalogue(
        type=workflow.workflow_type,
        handlers=tuple(
            OfferedHandler(
                kind=each.kind,
                name=each.name,
                payload=each.signature.json_schema(),
                timeout_s=each.timeout_s,
                retry_policy=policy_for_timeouts(each) if each.timeout_s else None,
                on_failure=each.on_failure if each.timeout_s else None,
            )
            for each in workflow.handlers
        ),
    )
