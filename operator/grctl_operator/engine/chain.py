"""Chains: steps that follow each other without an event between them, and their rate limit.

A step that returns itself would commit some hundred times a second for ever and slow down every
other run. So after MAX_UNSLOWED_STEPS steps in a row a run goes on at SLOWED_STEPS_PER_S.
`status.step.chain` holds the length of the chain, less SLOWED_STEPS_PER_S for each second: a chain
whose steps take longer than that is never slowed down. An event, the start of a run and a wait
begin a new chain.

Pure: no I/O, no clock.
"""

from datetime import datetime, timedelta

from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.run import Step
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import LONG_AGO, SECOND, over_at
from grctl_operator.engine.situation import Situation

MAX_UNSLOWED_STEPS = 100
"""The chain of a whole workflow is shorter; a longer one contains a loop."""
SLOWED_STEPS_PER_S = 10
"""Each step costs the API server some milliseconds of CPU: a loop uses a few percent of a core."""

SLOWED = (
    f"More than {MAX_UNSLOWED_STEPS} steps in a row were caused by no event, so they are slowed"
    f" down to {SLOWED_STEPS_PER_S} a second."
)


def next_in_chain(situation: Situation, kind: HandlerKind) -> int | None:
    """Return the length of the chain with one more step, after a handler of that kind."""
    before = situation.run.status.step
    if kind is not HandlerKind.STEP or before is None:
        return None
    seconds = max(0, (situation.second - before.since) // SECOND)
    return max(0, (before.chain or 0) - SLOWED_STEPS_PER_S * seconds) + 1


def note_long_chain(draft: Draft, chain: int | None) -> None:
    """Announce that a chain is slowed down from now on."""
    if chain == MAX_UNSLOWED_STEPS + 1:
        draft.announce(RunReason.SLOWED_DOWN, SLOWED, warning=True)


def chain_of(step: Step | None, kind: HandlerKind) -> int | None:
    """Return the length of the chain that ends with a handler of that kind."""
    return step.chain if step is not None and kind is HandlerKind.STEP else None


def is_slowed(step: Step | None, kind: HandlerKind) -> bool:
    """Return whether the next handler is slowed down."""
    return (chain_of(step, kind) or 0) > MAX_UNSLOWED_STEPS


def slowed_until(step: Step | None, kind: HandlerKind, now: datetime) -> datetime:
    """Return when the next handler may begin. A clock that went back does not delay it."""
    if step is None or not is_slowed(step, kind):
        return LONG_AGO
    over = (step.chain or 0) - MAX_UNSLOWED_STEPS
    late = min(over, SLOWED_STEPS_PER_S)  # a person may have written any number
    return over_at(step.since, timedelta(seconds=late / SLOWED_STEPS_PER_S), now)
