"""WorkflowHandle: one run, by its id and uid. Another run of the same id has another handle."""

import asyncio
from typing import TYPE_CHECKING, Any, Generic, overload

from typing_extensions import TypeVar

from grctl.arguments import check_optional_text
from grctl.client.access import Access, Json
from grctl.client.answers import answer_of
from grctl.client.errors import RunNotHeldError, WorkflowNotFoundError
from grctl.client.history import History
from grctl.client.reading import read_run
from grctl.client.results import ResultType
from grctl.client.retrying import MAX_ROUNDS_PER_RETRY, next_retry, patch_retry
from grctl.client.sending import SentEvent, event_spec, send_event
from grctl.client.timeouts import Timeout, in_words, seconds
from grctl.dialect import attribute_elsewhere
from grctl.json.serialization import check_size, to_json
from grctl.kube import RUNS, ConflictError, InvalidError, NotFoundError
from grctl.models.info import RunInfo
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.run import WorkflowRun

T = TypeVar("T")
ResultT = TypeVar("ResultT", default=Any)

HANDLE_ELSEWHERE = {
    "update": "there are no updates: send an event, and read what became of it with"
    " `await (await handle.send(...)).settled()`, describe() or query()",
}
"""What stands for the attributes that a handle of the first grctl has."""


class WorkflowHandle(Generic[ResultT]):
    """A run that was started.

    Attributes:
        workflow_id: Its workflow id.
        namespace: Its namespace.
        uid: Its uid, which no other run has.

    Args:
        access: The requests of its client.
        run: The run as the API server answered it.
        result_type: The type that its result is returned as.
    """

    def __init__(self, access: Access, run: Json, result_type: ResultType | None = None) -> None:
        self._access = access
        self._run = _without_input(run)
        self._result_type = result_type or ResultType()
        self._future: asyncio.Future[ResultT] | None = None
        self.workflow_id: str = run["metadata"]["name"]
        self.namespace = access.namespace
        self.uid: str = run["metadata"]["uid"]

    def __repr__(self) -> str:
        return f"<run {self.namespace}/{self.workflow_id} {self.uid}>"

    @property
    def run_info(self) -> RunInfo:
        """The run as it was when this handle was made; `describe()` returns its present state.

        Raises:
            UnreadableObjectError: it could not be read then.
        """
        return RunInfo.of(read_run(self._run))

    @property
    def future(self) -> "asyncio.Future[ResultT]":
        """A future of the run's result. It is done when the run is finished.

        Each access returns the same future, unless that one was cancelled: `asyncio.wait_for`
        cancels it, and the run goes on. It raises what `result` raises. It ends with its client.

        Example:
            >>> await asyncio.wait_for(handle.future, timeout=60)
            'approved'
        """
        if self._future is None or self._future.cancelled():
            self._future = self._access.begin(self.result())
        return self._future

    async def send(
        self, event_name: str, payload: Any = None, *, name: str | None = None
    ) -> SentEvent:
        """Send an event to this run. Returns when the API server has accepted it.

        A later run of the same id rejects it (reason RunGone).

        Args:
            event_name: Name of the event; one that the workflow does not handle is rejected.
            payload: Data for the handler: JSON, or what `ctx.store.put` takes. An object's keys
                are unpacked as keyword arguments.
            name: Name of the WorkflowEvent, where the caller has an idempotency key.

        Raises:
            EventNameTakenError: there is another event of that object's name.
            NotJsonError: the payload has no JSON.
            TooLargeError: it is over 512 KiB.

        Example:
            >>> await handle.send("set_priority", payload="high")
        """
        spec = event_spec(self.workflow_id, event_name, payload, self.uid)
        return await send_event(self._access, spec, name)

    async def result(self, timeout: Timeout = None) -> ResultT:  # noqa: ASYNC109
        """Wait until the run is finished. Return its result, as the `return_type` of the handle.

        Args:
            timeout: Seconds, or a timedelta, to wait. None: for ever.

        Raises:
            WorkflowFailedError: with type, message and stack trace of what a handler raised.
            WorkflowCancelledError: it was cancelled.
            WorkflowTerminatedError: it was terminated.
            WorkflowTimedOutError: it took longer than its own timeout.
            ResultTypeError: the result does not fit the handle's `return_type`.
            WorkflowNotFoundError: it was deleted.
            UnreadableObjectError: it cannot be read.
            TimeoutError: it is still active; it goes on.

        Example:
            >>> await handle.result(timeout=60)
            'approved'
        """
        result: ResultT = self._result_type.make(await self.finished(timeout))
        return result

    async def finished(self, timeout: Timeout = None) -> RunInfo:  # noqa: ASYNC109
        """Wait until the run is finished, in whatever way. Return its state.

        Args:
            timeout: Seconds, or a timedelta, to wait. None: for ever.

        Raises:
            WorkflowNotFoundError: it was deleted.
            UnreadableObjectError: it cannot be read.
            TimeoutError: it is still active; it goes on.

        Example:
            >>> info = await handle.finished(timeout=60)
            >>> info.phase
            <RunPhase.CANCELLED: 'Cancelled'>
        """
        try:
            async with asyncio.timeout(seconds(timeout)):
                run = await self._access.follow(RUNS, self.workflow_id, self._run_if_finished)
        except TimeoutError as error:
            raise TimeoutError(
                f"The run of {self.workflow_id!r} is still active after {in_words(timeout)}; it"
                " goes on."
            ) from error
        return RunInfo.of(run)

    async def describe(self) -> RunInfo:
        """Return the present state of the run.

        Raises:
            WorkflowNotFoundError: it was deleted.
            UnreadableObjectError: it cannot be read.
        """
        return RunInfo.of(self._own_run(await self._access.read(RUNS, self.workflow_id)))

    @overload
    async def query(self, query: str) -> Any: ...
    @overload
    async def query(self, query: str, *, return_type: type[T]) -> T: ...

    async def query(self, query: str, *, return_type: Any = None) -> Any:
        """Return the answer to a query of the workflow, as of the run's last commit.

        Nothing is computed: the worker answers each query after each handler.

        Args:
            query: Name of the query.
            return_type: The type to make of the answer: any type that pydantic validates. None:
                the answer is JSON.

        Raises:
            UnknownQueryError: there is no answer of that name; names those that there are.
            QueryFailedError: the query raised, or took too long.
            AnswerTypeError: the answer does not fit `return_type`.
            WorkflowNotFoundError: the run was deleted.
            UnreadableObjectError: it cannot be read.

        Example:
            >>> await handle.query("summary")
            '120 EUR for a laptop'
        """
        run = self._own_run(await self._access.read(RUNS, self.workflow_id))
        return answer_of(run, query, return_type)

    def history(self) -> History:
        """Return the history of this run: await it for a list, or iterate over it.

        It is put together of what the API objects still tell, in one order: commits, events with
        their fates, what waits, and the tasks of the handler that is due. Where something is not
        known any more, there is an item of kind `gap`.

        Example:
            >>> for item in await handle.history():
            ...     print(item.at, item.kind, item.text)
        """
        return History(self._access, self.workflow_id, self._own_run)

    async def cancel(self, reason: str | None = None) -> None:
        """Ask the run to end before its next handler; a running handler is not interrupted.

        Returns when the API server has accepted the request; `finished()` waits for the end. A run
        that has finished stays as it is.

        Args:
            reason: Why, for people: it becomes a part of the run's message. At most 4 KiB.

        Raises:
            WorkflowNotFoundError: it was deleted.
            TypeError: the reason is not text.
            TooLargeError: the reason is over 4 KiB.

        Example:
            >>> await handle.cancel(reason="the customer asked for it")
        """
        check_optional_text("reason", reason)
        text = to_json(reason or None, "The reason")
        check_size(text, MAX_MESSAGE_BYTES, "The reason")
        await self._set_in_spec({"cancel": True} | ({"cancelReason": text} if text else {}))

    async def terminate(self) -> None:
        """Ask the run to end at once. A running handler is aborted, and its outcome is void.

        Returns when the API server has accepted the request; `finished()` waits for the end. A run
        that has finished stays as it is.

        Raises:
            WorkflowNotFoundError: it was deleted.
        """
        await self._set_in_spec({"terminate": True})

    async def retry(self) -> int:
        """Retry the handler that the run is held at. Return the new `spec.retry`.

        What the handler has recorded is kept: tasks that have ended do not run again. Returns when
        the API server has accepted the request, or if somebody asked for the same already.

        Raises:
            RunNotHeldError: it is not held; says what it does.
            WorkflowNotFoundError: it was deleted.
            UnreadableObjectError: it cannot be read.

        Example:
            >>> await handle.retry()
            1
        """
        for _ in range(MAX_ROUNDS_PER_RETRY):
            run = self._own_run(await self._access.read(RUNS, self.workflow_id))
            number = next_retry(run)
            if number is None:
                return run.spec.retry or 0
            try:
                if await patch_retry(self._access, run, number):
                    return number
            except NotFoundError as error:
                raise self._not_found() from error
        raise RunNotHeldError(f"Others change {self.workflow_id} all the time: ask again.")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_elsewhere(self, name, HANDLE_ELSEWHERE)

    async def _set_in_spec(self, fields: Json) -> None:
        # The uid cannot be changed, so a patch that names it applies to this run only.
        patch = {"metadata": {"uid": self.uid}, "spec": fields}
        try:
            await self._access.merge(RUNS, self.workflow_id, patch)
        except NotFoundError as error:
            raise self._not_found() from error
        except (ConflictError, InvalidError) as error:
            self._own_run(await self._access.read(RUNS, self.workflow_id))
            raise error from None

    def _run_if_finished(self, run: Json | None) -> WorkflowRun | None:
        own = self._own_run(run)
        return own if own.status.phase.finished else None

    def _own_run(self, run: Json | None) -> WorkflowRun:
        if run is None or run["metadata"]["uid"] != self.uid:
            raise self._not_found()
        return read_run(run)

    def _not_found(self) -> WorkflowNotFoundError:
        return WorkflowNotFoundError(
            f"This run of {self.workflow_id!r} in namespace {self.namespace!r} was deleted. For a"
            " later run of that id, ask client.get_workflow_handle for its handle."
        )


def _without_input(run: Json) -> Json:
    """Return a run without its input, which may be large: a program may hold many handles."""
    spec = run["spec"]
    workflow = {name: value for name, value in spec["workflow"].items() if name != "input"}
    return run | {"spec": spec | {"workflow": workflow}}
