"""The stall of a handler: it is held until a person acts, and its run goes on afterwards.

1. A run that did nothing wrong is not failed. Its handler is held with store, event and journal as
   they are: nothing of it is dispatched, and `spec.retry` gives it new attempts.
2. A stall blocks neither cancellation, termination and deletion nor the run's own timeout. If its
   event is withdrawn, the stall is void: it belongs to the handler of that event.
3. `spec.retry` is a counter. `status.observedRetry` follows it, and only a number that is raised
   after the stall was written ends the stall: the write of a stall carries the number seen.
"""

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.reasons import RunReason
from grctl.models.run import Stall, Step
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler, step_of
from grctl_operator.engine.observation import round_up
from grctl_operator.engine.situation import Situation


def make_stall(situation: Situation, reason: RunReason, what: str, cure: str) -> Stall:
    """Return a stall whose message says what happened, and what to do before `spec.retry`."""
    todo = f"{cure}, then: grctl retry {situation.run.metadata.name}."
    text = cut(what, MAX_MESSAGE_BYTES - len(todo.encode()) - 2)
    return Stall(reason=reason, message=f"{text}. {todo}", since=situation.second)


def announce_stall(draft: Draft, due: Due, stall: Stall) -> None:
    """Announce a stall on the run, and on the event that waits because of it."""
    draft.announce(stall.reason, stall.message, warning=True)
    if due.event:
        draft.announce(stall.reason, f"{stall.message} The event waits.", due.event, warning=True)


def obey_retry(situation: Situation, draft: Draft) -> bool:
    """Begin new attempts at a handler that is held if `spec.retry` was raised."""
    asked, seen = situation.run.spec.retry or 0, draft.status.observed_retry
    if asked == seen:
        return False
    draft.change(observed_retry=asked)
    due = due_handler(situation, draft)
    if asked < seen or due is None or due.stall is None:
        return False
    draft.write_first(step=_begun_anew(situation, draft, due, due.stall))
    draft.is_awaited = True
    text = f"spec.retry was raised to {asked}: it goes on with {due.name}."
    draft.announce(RunReason.RETRYING, text)
    return True


def _begun_anew(situation: Situation, draft: Draft, due: Due, stall: Stall) -> Step:
    """Return the step with a further attempt. After crashes it still runs alone on its worker."""
    suspect = stall.reason == RunReason.WORKER_LOST
    return step_of(
        draft,
        due,
        attempt=due.attempt + 1,
        counted_from=due.attempt if suspect else due.attempt + 1,
        crashes=0,
        failures=0,
        misfits=0,
        not_before=None,
        last_error=None,
        stall=None,
        since=round_up(situation.now),
    )
