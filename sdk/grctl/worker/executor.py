"""From an execution to its result: bind the payload, run the handler, see what it gave.

1. Whatever user code does ends in a Result: it raises, exits, or gives what cannot be kept.
2. A payload that does not bind is Refused and harms nothing; an input that does not fails the run.
3. An execution that is cancelled from outside has no result: nobody waits for it any more.
"""

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from grctl.models.directive import AnyDirective, Complete, Directive, NextStep, WaitForEvent
from grctl.models.limits import MESSAGE
from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.wire import Execute, Failed, Refused, Succeeded
from grctl.serialization import cut
from grctl.worker.binding import BadPayloadError, bind
from grctl.worker.context import Context
from grctl.worker.failure import BadOutcomeError, failed, failure_of
from grctl.worker.logs import HandlerLogger
from grctl.worker.transitions import Transitions
from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow


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
    try:
        return await _attempt(workflows, execute)
    except (KeyboardInterrupt, GeneratorExit):
        raise  # a person ends the process, or the loop is gone
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
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
    if handler.kind is HandlerKind.STEP:
        return {}
    return bind(handler.signature, execute.payload)


def _misfit(handler: Handler[Any], error: BadPayloadError) -> Failed | Refused:
    if handler.kind is HandlerKind.START:
        text = f"{handler.signature} does not take this input: {error}."
        return failed(RunReason.BAD_INPUT, text)
    text = f"{handler.signature} does not take this payload: {error}."
    return Refused(message=f"{cut(text, MESSAGE - 50)} The run goes on waiting.")


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
    """Say whether this task was asked to stop, rather than the handler raising on its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
