"""What an operator of an older release would misread, and what it is told instead.

Such an operator ignores the delay of a step and the events of a wait: the step would begin at once,
and the wait would take any event. It cannot read the directive that fails a run. So the handler's
run fails with a message that names the release to install, and nothing is misread in silence.
"""

from grctl.models.directive import AnyDirective, Fail, NextStep, WaitForEvent
from grctl.models.protocol import RECORDING_PROTOCOL_VERSION
from grctl.models.reasons import RunReason
from grctl.models.wire import Outcome, Succeeded
from grctl.worker.failure import failure_for


def as_understood(outcome: Outcome, protocol: int) -> Outcome:
    """Return an outcome as an operator of a version of the protocol understands it.

    Args:
        outcome: The outcome of a handler.
        protocol: The version that the operator and this worker agreed upon.
    """
    if protocol >= RECORDING_PROTOCOL_VERSION or not isinstance(outcome.result, Succeeded):
        return outcome
    unknown = _unknown_part(outcome.result.directive)
    if unknown is None:
        return outcome
    message = (
        f"{outcome.execution.handler_name} returned {unknown}, which this operator does not know:"
        f" it speaks protocol {protocol}, and that needs {RECORDING_PROTOCOL_VERSION}. Upgrade the"
        " operator."
    )
    result = failure_for(RunReason.BAD_OUTCOME, message)
    return outcome.model_copy(update={"result": result})


def _unknown_part(directive: AnyDirective) -> str | None:
    """Return the code of the argument that an older operator does not know; None if it knows all.

    A prompt that is not shown changes nothing of what the run does.
    """
    match directive:
        case Fail():
            return "ctx.next.fail(...)"
        case NextStep(after=after) if after is not None:
            return "ctx.next.step(after=...)"
        case WaitForEvent(events=events) if events is not None:
            return "ctx.next.wait_for_event(events=...)"
    return None
