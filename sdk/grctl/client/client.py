"""Client: a connection to the Kubernetes API as this project's users see it."""

import os
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from grctl.arguments import check_optional_path, check_optional_text, seconds_of
from grctl.client.access import Access, Json, limits_of
from grctl.client.errors import WorkflowNotFoundError
from grctl.client.handle import WorkflowHandle
from grctl.client.history import History
from grctl.client.names import check_name, check_namespace
from grctl.client.reading import read_run
from grctl.client.results import ResultType
from grctl.client.sending import SentEvent, event_spec, send_event
from grctl.client.starting import run_spec, start_run, workflow_spec
from grctl.client.timeouts import Timeout
from grctl.dialect import also_called, without
from grctl.kube import RUNS, Api, Connection
from grctl.models.info import RunInfo
from grctl.models.run import WorkflowRun
from grctl.nats import NO_CONNECTION

T = TypeVar("T")


class Client:
    """Starts runs and sends events. Use it as an async context manager.

    Args:
        namespace: Namespace of the runs. Defaults to `$GRCTL_NAMESPACE`, then to the one of the
            kubeconfig's context or of the pod.
        kubeconfig: Path of a kubeconfig. Defaults to what kubectl would use: `$KUBECONFIG`,
            `~/.kube/config`, or the pod's ServiceAccount.
        context: Context of the kubeconfig. Defaults to its current one.
        request_timeout: Seconds, or a timedelta, in which the API server must answer a request,
            which fails otherwise; 0: however long it takes. None: a request without an answer for
            30 s is made once more.

    Raises:
        TypeError: an argument is of a wrong type.
        ConnectionConfigError: when entered, if no Kubernetes API is configured.

    Example:
        >>> async with Client() as client:
        ...     handle = await client.start_workflow(
        ...         workflow_type="ProcessOrder",
        ...         workflow_id="order-abc",
        ...         workflow_input={"order_id": "abc"},
        ...     )
        ...     await handle.send("approve")
        ...     print(await handle.result())
    """

    @without(connection=NO_CONNECTION, codec="pydantic makes JSON of values, and values of JSON")
    def __init__(
        self,
        namespace: str | None = None,
        kubeconfig: str | os.PathLike[str] | None = None,
        context: str | None = None,
        *,
        request_timeout: Timeout = None,
    ) -> None:
        check_optional_text("namespace", namespace)
        check_optional_text("context", context)
        check_optional_path("kubeconfig", kubeconfig)
        self._namespace = namespace or os.environ.get("GRCTL_NAMESPACE")
        self._kubeconfig = kubeconfig
        self._context = context
        self._request_timeout = seconds_of("request_timeout", request_timeout)
        self._exits = AsyncExitStack()
        self._opened: Access | None = None

    async def __aenter__(self) -> Self:
        """Find the API and open a connection pool; no request is made.

        Raises:
            ConnectionConfigError: no Kubernetes API is configured.
            InvalidNameError: the name is not one that a namespace can have.
        """
        connection = await Connection.find(self._kubeconfig, self._context)
        namespace = self._namespace or connection.namespace
        check_namespace(namespace)
        timeout, retry_period = limits_of(self._request_timeout)
        api = Api(connection, user_agent="grctl-client", request_timeout=timeout)
        await self._exits.enter_async_context(api)
        self._opened = Access(api, namespace, retry_period=retry_period)
        self._exits.push_async_callback(self._opened.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pool."""
        self._opened = None
        await self._exits.aclose()

    @property
    def namespace(self) -> str:
        """The namespace of its runs."""
        return self._access.namespace

    @overload
    async def start_workflow(
        self,
        workflow_type: str,
        workflow_id: str,
        workflow_input: Any = ...,
        workflow_timeout: timedelta | None = ...,
        *,
        keep_events: int | None = ...,
        ttl_after_finished: timedelta | None = ...,
        backoff_limit: int | None = ...,
        return_type: type[T],
    ) -> WorkflowHandle[T]: ...
    @overload
    async def start_workflow(
        self,
        workflow_type: str,
        workflow_id: str,
        workflow_input: Any = ...,
        workflow_timeout: timedelta | None = ...,
        *,
        keep_events: int | None = ...,
        ttl_after_finished: timedelta | None = ...,
        backoff_limit: int | None = ...,
        return_type: None = ...,
    ) -> WorkflowHandle[Any]: ...

    @also_called(
        type="workflow_type", id="workflow_id", input="workflow_input", timeout="workflow_timeout"
    )
    async def start_workflow(
        self,
        workflow_type: str,
        workflow_id: str,
        workflow_input: Any = None,
        workflow_timeout: timedelta | None = None,
        *,
        keep_events: int | None = None,
        ttl_after_finished: timedelta | None = None,
        backoff_limit: int | None = None,
        return_type: Any = None,
    ) -> WorkflowHandle[Any]:
        """Start a run. Returns when the API server has accepted it; no worker is needed yet.

        Args:
            workflow_type: Type of the workflow, as its code names it.
            workflow_id: Name of the run: lower-case letters, digits, '-' and '.'. The id of an
                active run is refused; a finished run of the id is replaced.
            workflow_input: Data for the start handler: JSON, or what `ctx.store.put` takes. An
                object's keys are unpacked as keyword arguments.
            workflow_timeout: The run ends as TimedOut when it is older than this. None: never.
            keep_events: How many of its settled events stay, the newest ones. None: 1000.
            ttl_after_finished: The run is deleted, with its result, when it has been finished for
                so long; counted in whole seconds. None: never.
            backoff_limit: How often a handler is tried again after it ended the process of its
                worker while nothing else ran there; then the run is held. None: 4.
            return_type: The type that the handle returns the result as: any type that pydantic
                validates. None: the result is JSON.

        Raises:
            WorkflowAlreadyRunningError: a run of that id is active.
            RunNotReleasedError: an earlier run stays, as no operator releases it.
            InvalidNameError: the id is not a valid name; the message suggests one.
            NotJsonError: the input has no JSON.
            TooLargeError: it is over 512 KiB.
            TypeError: an argument is of a wrong type.
            ValueError: a number or a time is out of range.
            UnreadableObjectError: an earlier run of the id cannot be read.
            CrdsMissingError: the cluster does not know the resources.

        Example:
            >>> handle = await client.start_workflow("ProcessOrder", "order-abc", {"amount": 120})
        """
        check_name(workflow_id, "workflow_id")
        result_type = ResultType(return_type)
        workflow = workflow_spec(workflow_type, workflow_input, workflow_timeout)
        spec = run_spec(
            workflow,
            keep_events=keep_events,
            ttl=ttl_after_finished,
            backoff_limit=backoff_limit,
        )
        run = await start_run(self._access, workflow_id, spec)
        return WorkflowHandle(self._access, run, result_type)

    @overload
    async def run_workflow(
        self,
        workflow_type: str,
        workflow_id: str,
        workflow_input: Any = ...,
        workflow_timeout: timedelta | None = ...,
        *,
        keep_events: int | None = ...,
        ttl_after_finished: timedelta | None = ...,
        backoff_limit: int | None = ...,
        return_type: type[T],
    ) -> T: ...
    @overload
    async def run_workflow(
        self,
        workflow_type: str,
        workflow_id: str,
        workflow_input: Any = ...,
        workflow_timeout: timedelta | None = ...,
        *,
        keep_events: int | None = ...,
        ttl_after_finished: timedelta | None = ...,
        backoff_limit: int | None = ...,
        return_type: None = ...,
    ) -> Any: ...

    @also_called(
        type="workflow_type", id="workflow_id", input="workflow_input", timeout="workflow_timeout"
    )
    async def run_workflow(
        self,
        workflow_type: str,
        workflow_id: str,
        workflow_input: Any = None,
        workflow_timeout: timedelta | None = None,
        *,
        keep_events: int | None = None,
        ttl_after_finished: timedelta | None = None,
        backoff_limit: int | None = None,
        return_type: Any = None,
    ) -> Any:
        """Start a run and wait for its result.

        Takes what `start_workflow` takes; raises what it and `WorkflowHandle.result` raise.

        Example:
            >>> await client.run_workflow("Greet", "greet-1", {"name": "World"}, return_type=str)
            'Hello, World'
        """
        handle: WorkflowHandle[Any] = await self.start_workflow(
            workflow_type=workflow_type,
            workflow_id=workflow_id,
            workflow_input=workflow_input,
            workflow_timeout=workflow_timeout,
            keep_events=keep_events,
            ttl_after_finished=ttl_after_finished,
            backoff_limit=backoff_limit,
            return_type=return_type,
        )
        return await handle.result()

    @overload
    async def get_workflow_handle(
        self, workflow_id: str, *, return_type: type[T]
    ) -> WorkflowHandle[T]: ...
    @overload
    async def get_workflow_handle(
        self, workflow_id: str, *, return_type: None = ...
    ) -> WorkflowHandle[Any]: ...

    async def get_workflow_handle(
        self, workflow_id: str, *, return_type: Any = None
    ) -> WorkflowHandle[Any]:
        """Return the handle of the present run of an id, active or finished.

        Args:
            workflow_id: The workflow id.
            return_type: The type that the handle returns the result as. None: the result is JSON.

        Raises:
            WorkflowNotFoundError: there is none.
            TypeError: the type cannot be made from JSON.
        """
        result_type = ResultType(return_type)
        return WorkflowHandle(self._access, await self._read_run(workflow_id), result_type)

    get_handle = get_workflow_handle

    async def describe(self, workflow_id: str) -> RunInfo:
        """Return the present state of the present run of an id.

        Raises:
            WorkflowNotFoundError: there is none.
            UnreadableObjectError: it cannot be read.

        Example:
            >>> (await client.describe("order-abc")).phase
            <RunPhase.WAIT_EVENT: 'WaitEvent'>
        """
        return RunInfo.of(read_run(await self._read_run(workflow_id)))

    def get_history(self, workflow_id: str) -> History:
        """Return the history of the present run of an id: see `WorkflowHandle.history`.

        Example:
            >>> for item in await client.get_history("order-abc"):
            ...     print(item.at, item.kind, item.text)
        """
        check_name(workflow_id, "workflow_id")

        def own_run(run: dict[str, Any] | None) -> WorkflowRun:
            if run is None:
                raise run_not_found(workflow_id, self.namespace)
            return read_run(run)

        return History(self._access, workflow_id, own_run)

    async def send(
        self, *, workflow_id: str, event_name: str, payload: Any = None, name: str | None = None
    ) -> SentEvent:
        """Send an event to a workflow id, also before it has a run: it waits for one.

        Returns when the API server has accepted it. Raises and takes what `WorkflowHandle.send`
        does.

        Example:
            >>> await client.send(workflow_id="order-abc", event_name="approve")
        """
        spec = event_spec(workflow_id, event_name, payload)
        return await send_event(self._access, spec, name)

    async def _read_run(self, workflow_id: str) -> Json:
        check_name(workflow_id, "workflow_id")
        run = await self._access.read(RUNS, workflow_id)
        if run is None:
            raise run_not_found(workflow_id, self.namespace)
        return run

    @property
    def _access(self) -> Access:
        if self._opened is None:
            raise RuntimeError("The Client is not open: use it as `async with Client() as client:`")
        return self._opened


def run_not_found(workflow_id: str, namespace: str, waiting: int = 0) -> WorkflowNotFoundError:
    """Return the error for an id without a run, with the number of events that wait for one."""
    wait = f" Events that wait for it: {waiting}." if waiting else ""
    return WorkflowNotFoundError(
        f"There is no run of {workflow_id!r} in namespace {namespace!r}.{wait} Start it by"
        " client.start_workflow or `grctl start`, or see what there is by `grctl list`."
    )
