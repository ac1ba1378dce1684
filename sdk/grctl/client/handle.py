"""WorkflowHandle: one run, by its id and uid. Another run of the same id has another handle."""

import asyncio
from typing import Any, TypeVar, overload

from grctl.client.access import Access, Json
from grctl.client.answers import answer_of
from grctl.client.errors import (
    RunNotHeldError,
    WorkflowCancelledError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowTerminatedError,
    WorkflowTimedOutError,
)
from grctl.client.reading import read_run
from grctl.client.retrying import MAX_ROUNDS_PER_RETRY, next_retry, patch_retry
from grctl.client.sending import SentEvent, event_spec, send_event
from grctl.client.timeouts import Timeout, in_words, seconds
from grctl.kube import RUNS, ConflictError, InvalidError, NotFoundError
from grctl.models.info import RunInfo
from grctl.models.phases import RunPhase
from grctl.models.run import WorkflowRun

T = TypeVar("T")


class WorkflowHandle:
    """A run that was started.

    Attributes:
        workflow_id: Its workflow id.
        namespace: Its namespace.
        uid: Its uid, which no other run has.
    """

    def __init__(self, access: Access, workflow_id: str, uid: str) -> None:
        self._access = access
        self.workflow_id = workflow_id
        self.namespace = access.namespace
        self.uid = uid

    def __repr__(self) -> str:
        return f"<run {self.namespace}/{self.workflow_id} {self.uid}>"

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

    async def result(self, timeout: Timeout = None) -> Any:  # noqa: ASYNC109
        """Wait until the run is finished. Return its result.

        Args:
            timeout: Seconds, or a timedelta, to wait. None: for ever.

        Raises:
            WorkflowFailedError: with type, message and stack trace of what a handler raised.
            WorkflowCancelledError: it was cancelled.
            WorkflowTerminatedError: it was terminated.
            WorkflowTimedOutError: it took longer than its own timeout.
            WorkflowNotFoundError: it was deleted.
            UnreadableObjectError: it cannot be read.
            TimeoutError: it is still active; it goes on.

        Example:
            >>> await handle.result(timeout=60)
            'approved'
        """
        return result_of(await self.finished(timeout))

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

    async def cancel(self) -> None:
        """Ask the run to end before its next handler; a running handler is not interrupted.

        Returns when the API server has accepted the request; `finished()` waits for the end. A run
        that has finished stays as it is.

        Raises:
            WorkflowNotFoundError: it was deleted.
        """
        await self._set_in_spec("cancel")

    async def terminate(self) -> None:
        """Ask the run to end at once. A running handler is aborted, and its outcome is void.

        Returns when the API server has accepted the request; `finished()` waits for the end. A run
        that has finished stays as it is.

        Raises:
            WorkflowNotFoundError: it was deleted.
        """
        await self._set_in_spec("terminate")

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

    async def _set_in_spec(self, field: str) -> None:
        # The uid cannot be changed, so a patch that names it applies to this run only.
        patch = {"metadata": {"uid": self.uid}, "spec": {field: True}}
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


def result_of(info: RunInfo) -> Any:
    """Return the result of a completed run. Raise the error of any other end."""
    name = info.workflow_id
    match info.phase:
        case RunPhase.COMPLETED:
            return info.result
        case RunPhase.CANCELLED:
            raise WorkflowCancelledError(f"{name} was cancelled. {info.message}".rstrip())
        case RunPhase.TERMINATED:
            raise WorkflowTerminatedError(f"{name} was terminated. {info.message}".rstrip())
        case RunPhase.TIMED_OUT:
            raise WorkflowTimedOutError(f"{name} timed out. {info.message}".rstrip())
        case _:
            error = info.error
            text = f"{error.type}: {error.message}" if error else info.message
            raise WorkflowFailedError(f"{name} failed: {text}", error)
