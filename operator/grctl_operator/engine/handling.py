"""How an event was handled, for people: by which commit and worker, since when, how often tried.

It rides in the write that settles the event. The run's status does not hold it, so it is missing if
another operator settles the event.
"""

from grctl.json.serialization import cut
from grctl.models.limits import MAX_TASKS_TEXT_BYTES
from grctl.models.run import Handling
from grctl.models.wire import Outcome, Refused
from grctl_operator.engine.observation import whole_second
from grctl_operator.engine.situation import Situation


def handling_of(situation: Situation, outcome: Outcome, commit: int) -> Handling | None:
    """Return how the event of an outcome was handled; None if its payload was refused.

    Args:
        situation: The facts.
        outcome: The outcome.
        commit: The number of its commit.
    """
    result, execution = outcome.result, outcome.execution
    held = next((each for each in situation.in_flight if each.execution.id == execution.id), None)
    if held is None or isinstance(result, Refused):
        return None
    return Handling(
        handler=execution.handler_name,
        worker=held.worker,
        commit=commit,
        began_at=whole_second(held.since) if held.given_here else None,
        attempts=execution.attempt,
        tasks=result.tasks and cut(result.tasks, MAX_TASKS_TEXT_BYTES),
    )
