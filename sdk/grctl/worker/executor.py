"""Carry out an execution: bind the payload, run the handler, and make a result of its end.

1. Every end of user code is a result, also if the code raises, exits, or returns a value that
   cannot be kept.
2. A payload that does not bind is Refused, and the run goes on. An input that does not bind fails
   the run.
3. An execution that the worker cancels has no result, because nobody waits for one. Whatever its
   handler raises then is not logged.
4. An attempt that takes longer than its handler's timeout is cancelled, and fails. It is over then,
   also if the handler swallows the cancellation.
5. User code runs in a task of its own. A handler that cancels its task, or swallows a cancellation,
   changes only that task: only the worker cancels the task of the execution.
"""

import asyncio
import inspect
import os
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from grctl.json.serialization import cut
from grctl.models.base import write_duration
from grctl.models.directive import (
    AnyDirective,
    Complete,
    Directive,
    Fail,
    NextStep,
    WaitForEvent,
)
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.wire import Execute, Execution, Failed, Refused, Result, Succeeded
from grctl.worker.binding import bind
from grctl.worker.context import Context
from grctl.worker.failure import BadOutcomeError, failure_for
from grctl.worker.handler_failure import failure_of_handler
from grctl.worker.journal import HandlerJournal, JournalSetup, set_current_journal
from grctl.worker.logs import HandlerLogger
from grctl.worker.problems import BadPayloadError
from grctl.worker.queries import answer_queries
from grctl.worker.store import store_after
from grctl.worker.task_errors import HandlerTimedOut
from grctl.worker.transitions import Transitions
from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow

_current: ContextVar[Execution | None] = ContextVar("grctl_execution", default=None)
"""The execution whose handler runs, also in the tasks that the handler starts."""
_running: dict[asyncio.Task[Any], Execution] = {}
"""The execution of each handler's own task: before Python 3.12 a task does not show its context."""


HANDLER_CLEAN_UP_S = 1.0
"""How long a handler may clean up after it was cancelled because it took too long."""


def execution_of(task: asyncio.Task[Any]) -> Execution | None:
    """Return the execution that a task belongs to. May be called from any thread."""
    context = getattr(task, "get_context", None)
    found: Execution | None = context().get(_current) if context is not None else None
    return found or _running.get(task)


async def carry_out(
    workflows: Mapping[str, Workflow], execute: Execute, journal: HandlerJournal | None = None
) -> Result:
    """Run the handler that an execution names, and return its result.

    Args:
        workflows: Workflows by their type.
        execute: What to run, with its payload and the run's store.
        journal: What its handler records; None if nothing is recorded.

    Raises:
        CancelledError: the execution itself was cancelled.
    """
    handler = _find(workflows, execute.execution)
    if handler is None:
        return _no_handler(execute.execution)
    journal = journal or HandlerJournal(execute.execution, execute.journal, JournalSetup())
    ends: list[Result | BaseException] = []
    attempt = asyncio.create_task(_attempt_to_the_end(handler, execute, journal, ends))
    _running[attempt] = execute.execution
    attempt.add_done_callback(_running.pop)
    journal.begin(asyncio.current_task(), attempt)
    try:
        await _wait_for_end(attempt, handler, journal)
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        ends.append(error)  # the second entry if the task was cancelled and returned nevertheless
    except HandlerTimedOut as error:
        ends.insert(0, error)
    finally:
        journal.end()
    end = journal.error or ends[0]
    return _failure(handler, journal, end) if isinstance(end, BaseException) else end


async def _wait_for_end(
    attempt: asyncio.Task[None], handler: Handler[Any], journal: HandlerJournal
) -> None:
    """Wait until a handler has ended.

    Raises:
        HandlerTimedOut: it took too long. It was cancelled, and had a moment to clean up.
        CancelledError: it was cancelled, or the execution was.
    """
    if handler.timeout_s is None:
        await attempt
        return
    try:
        done, _ = await asyncio.wait([attempt], timeout=handler.timeout_s)
        if not done:
            journal.end()
            attempt.cancel()
            await asyncio.wait([attempt], timeout=HANDLER_CLEAN_UP_S)
    except asyncio.CancelledError:
        attempt.cancel()
        await asyncio.wait([attempt])
        raise
    if not done:
        limit = write_duration(handler.options.timeout or timedelta(0))
        raise HandlerTimedOut(f"{handler.name} took longer than its timeout, {limit}.")
    await attempt


async def _attempt_to_the_end(
    handler: Handler[Any],
    execute: Execute,
    journal: HandlerJournal,
    ends: list[Result | BaseException],
) -> None:
    """Record how user code ends: its result, or what it raises. A cancellation is let through.

    SystemExit and KeyboardInterrupt are recorded too. asyncio would end the loop with them, and so
    all other handlers of the process. A person's Ctrl-C is a signal, not a KeyboardInterrupt.
    """
    process = os.getpid()
    _current.set(execute.execution)
    set_current_journal(journal)
    try:
        ends.append(await _attempt(handler, execute, journal))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  every end is a result
        ends.append(error)
    finally:
        if os.getpid() != process:
            # The handler called os.fork, and this process is the child. It has the worker's
            # connection and would answer in the worker's place.
            os._exit(0)


def _failure(handler: Handler[Any], journal: HandlerJournal, error: BaseException) -> Failed:
    if not _is_cancelled() and not journal.contradicted:
        HandlerLogger(journal.execution).warning("handler failed", exc_info=error)
    return failure_of_handler(handler, journal, error)


def _find(workflows: Mapping[str, Workflow], execution: Execution) -> Handler[Any] | None:
    workflow = workflows.get(execution.workflow_type)
    if workflow is None:
        return None
    return workflow.find(execution.handler_kind, execution.handler_name)


def _no_handler(execution: Execution) -> Failed:
    name = f"{execution.workflow_type}.{execution.handler_name}"
    text = f"No {execution.handler_kind} handler is {name!r}."
    return failure_for(RunReason.NO_HANDLER, text)


async def _attempt(handler: Handler[Any], execute: Execute, journal: HandlerJournal) -> Result:
    try:
        arguments = _arguments(handler, execute)
    except BadPayloadError as error:
        return _unbound(handler, error)
    context = Context(handler.workflow, execute, journal)
    return await _run(handler, context, arguments, execute.store, journal)


def _arguments(handler: Handler[Any], execute: Execute) -> dict[str, Any]:
    payload = None if handler.kind is HandlerKind.STEP else execute.payload
    return bind(handler.signature, payload)


def _unbound(handler: Handler[Any], error: BadPayloadError) -> Failed | Refused:
    if handler.kind is HandlerKind.START:
        text = f"{handler.signature} does not take this input: {error}."
        return failure_for(RunReason.BAD_INPUT, text)
    text = f"{handler.signature} does not take this payload: {error}."
    return Refused(message=f"{cut(text, MAX_MESSAGE_BYTES - 50)} The run goes on waiting.")


async def _run(
    handler: Handler[Any],
    context: Context,
    arguments: dict[str, Any],
    store: dict[str, Any],
    journal: HandlerJournal,
) -> Succeeded:
    answer = await handler.function(context, **arguments)
    directive = _directive(handler, context.next, answer)
    put, deleted = context.store.changes()
    journal.end()
    queries = handler.workflow.queries
    answers = await answer_queries(queries, context, store_after(store, put, deleted))
    return Succeeded(
        directive=directive, put=put, delete=deleted, answers=answers, tasks=journal.summary()
    )


def _directive(handler: Handler[Any], transitions: Transitions, answer: Any) -> AnyDirective:
    """Return the handler's transition, checked by `ctx.next` also if it was built by hand."""
    made = _checked(transitions, answer)
    if isinstance(made, NextStep | WaitForEvent | Complete | Fail):
        return made
    if inspect.iscoroutine(answer):
        answer.close()
    raise BadOutcomeError(
        f"{handler.name} returned {_repr_of(answer)}, which is not a Directive. End it with `return"
        " ctx.next.wait_for_event()`, `return ctx.next.step(...)`, `return"
        " ctx.next.complete(...)` or `return ctx.next.fail(...)`."
    )


def _checked(transitions: Transitions, answer: Any) -> Directive | None:
    """Return a directive as `ctx.next` makes it of the same arguments; None for anything else."""
    match answer:
        case NextStep(step=name, after=after):
            return transitions.step(name, after=after)
        case WaitForEvent(timeout=timeout, timeout_step=name, events=events, prompt=prompt):
            return transitions.wait_for_event(timeout, name, events=events, prompt=prompt)
        case Complete(result=result):
            return transitions.complete(result)
        case Fail(error=error):
            return transitions.fail(error)
    return None


def _repr_of(answer: Any) -> str:
    if answer is None:
        return "None"
    return f"{cut(repr(answer), 100)} ({type(answer).__name__})"


def _is_cancelled() -> bool:
    """Return whether the worker cancelled the execution's task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
