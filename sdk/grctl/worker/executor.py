"""From an execution to its result: bind the payload, run the handler, see what it gave.

1. Whatever user code does ends in a Result: it raises, exits, or gives what cannot be kept.
2. A payload that does not bind is Refused and harms nothing; an input that does not fails the run.
3. An execution that is cancelled from outside has no result: nobody waits for it any more.
4. User code runs in a task of its own. A handler that cancels its task, or swallows a cancellation,
   changes only that task: the task of the execution is cancelled by the worker alone.
"""

import asyncio
import inspect
import os
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from grctl.json.serialization import cut
from grctl.models.directive import AnyDirective, Complete, Directive, NextStep, WaitForEvent
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.wire import Execute, Execution, Failed, Refused, Succeeded
from grctl.worker.binding import BadPayloadError, bind
from grctl.worker.context import Context
from grctl.worker.failure import BadOutcomeError, failed, failure_of
from grctl.worker.logs import HandlerLogger
from grctl.worker.transitions import Transitions
from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow

_current: ContextVar[Execution | None] = ContextVar("grctl_execution", default=None)
"""The execution whose handler runs, also in the tasks that the handler starts."""
_running: dict[asyncio.Task[Any], Execution] = {}
"""The same by the handler's own task: before Python 3.12 a task does not show its context."""


def execution_of(task: asyncio.Task[Any]) -> Execution | None:
    """Return the execution that a task belongs to. May be called from any thread."""
    context = getattr(task, "get_context", None)
    found: Execution | None = context().get(_current) if context is not None else None
    return found or _running.get(task)


async def carry_out(
    workflows: Mapping[str, Workflow], execute: Execute
) -> Succeeded | Failed | Refused:
    """Run the handler that an execution names, and give its result.

    Args:
        workflows: Workflows by their type.
        execute: What to run, with its payload and the run's store.

    Raises:
        CancelledError: the execution itself was cancelled.
    """
    ends: list[Succeeded | Failed | Refused] = []
    attempt = asyncio.create_task(_attempt_to_the_end(workflows, execute, ends))
    _running[attempt] = execute.execution
    attempt.add_done_callback(_running.pop)
    try:
        await attempt
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        # A task that was cancelled and then returned is cancelled for asyncio: `ends` knows better.
        return ends[0] if ends else _failure(execute, error)
    return ends[0]


async def _attempt_to_the_end(
    workflows: Mapping[str, Workflow],
    execute: Execute,
    ends: list[Succeeded | Failed | Refused],
) -> None:
    """Record the result of whatever user code does, except a cancellation that it lets through.

    SystemExit and KeyboardInterrupt too: asyncio would end the loop with them, and with it all
    other handlers of the process. A person's Ctrl-C does not come as KeyboardInterrupt.
    """
    process = os.getpid()
    _current.set(execute.execution)
    try:
        ends.append(await _attempt(workflows, execute))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  rule 1
        ends.append(_failure(execute, error))
    finally:
        if os.getpid() != process:
            # The handler called os.fork, and this is the child: it has the worker's connection,
            # and would answer in the worker's place.
            os._exit(0)


def _failure(execute: Execute, error: BaseException) -> Failed:
    HandlerLogger(execute.execution).warning("handler failed", exc_info=error)
    return failure_of(error)


async def _attempt(
    workflows: Mapping[str, Workflow], execute: Execute
) -> Succeeded | Failed | Refused:
    execution = execute.execution
    workflow = workflows.get(execution.workflow_type)
    if workflow is None or not (
        handler := workflow.find(execution.handler_kind, execution.handler_name)
    ):
        name = f"{execution.workflow_type}.{execution.handler_name}"
        return failed(RunReason.NO_HANDLER, f"No {execution.handler_kind} handler is {name!r}.")
    try:
        arguments = _arguments(handler, execute)
    except BadPayloadError as error:
        return _misfit(handler, error)
    return await _run(handler, Context(workflow, execute), arguments)


def _arguments(handler: Handler[Any], execute: Execute) -> dict[str, Any]:
    payload = None if handler.kind is HandlerKind.STEP else execute.payload
    return bind(handler.signature, payload)


def _misfit(handler: Handler[Any], error: BadPayloadError) -> Failed | Refused:
    if handler.kind is HandlerKind.START:
        text = f"{handler.signature} does not take this input: {error}."
        return failed(RunReason.BAD_INPUT, text)
    text = f"{handler.signature} does not take this payload: {error}."
    return Refused(message=f"{cut(text, MAX_MESSAGE_BYTES - 50)} The run goes on waiting.")


async def _run(handler: Handler[Any], context: Context, arguments: dict[str, Any]) -> Succeeded:
    answer = await handler.function(context, **arguments)
    directive = _directive(handler, context.next, answer)
    put, deleted = context.store.changes()
    return Succeeded(directive=directive, put=put, delete=deleted)


def _directive(handler: Handler[Any], transitions: Transitions, answer: Any) -> AnyDirective:
    """Take a transition as if it was built by `ctx.next`, also where it was built by hand."""
    made: Directive | None = None
    match answer:
        case NextStep(step=name):
            made = transitions.step(name)
        case WaitForEvent(timeout=timeout, timeout_step=name):
            made = transitions.wait_for_event(timeout, name)
        case Complete(result=result):
            made = transitions.complete(result)
    if isinstance(made, NextStep | WaitForEvent | Complete):
        return made
    if inspect.iscoroutine(answer):
        answer.close()
    raise BadOutcomeError(
        f"{handler.name} returned {_shown(answer)}, which is no Directive. End it with `return"
        " ctx.next.wait_for_event()`, `return ctx.next.step(...)` or `return"
        " ctx.next.complete(...)`."
    )


def _shown(answer: Any) -> str:
    if answer is None:
        return "None"
    return f"{cut(repr(answer), 100)} ({type(answer).__name__})"


def _is_cancelled() -> bool:
    """Return whether the execution's own task was asked to stop, which only the worker does."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
