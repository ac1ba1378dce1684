"""Chains: steps that follow each other without an event, and how fast they may.

A step that returns itself would commit some hundred times a second for ever, at the cost of every
other run. So after STEPS_AT_ONCE steps in a row a run goes on with STEPS_A_SECOND. The length of
the chain is kept in `status.step.chain`, less what time has made good: a chain whose steps take
longer than that is never slowed down. An event, the start of a run and a wait begin a new one.

Pure: no I/O, no clock.
"""

from datetime import datetime, timedelta

from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.run import Step
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import LONG_AGO, SECOND, over_at
from grctl_operator.engine.situation import Situation

STEPS_AT_ONCE = 100
"""A chain of a whole workflow is shorter; one that is longer has a loop in it."""
STEPS_A_SECOND = 10
"""Each costs the API server some milliseconds of a processor: a loop has a few percent of one."""

SLOWED = (
    f"More than {STEPS_AT_ONCE} steps in a row were caused by no event, so they are slowed down to"
    f" {STEPS_A_SECOND} a second."
)


def next_in_chain(situation: Situation, kind: HandlerKind) -> int | None:
    """Return the length of a chain with one more step, behind a handler of that kind."""
    before = situation.run.status.step
    if kind is not HandlerKind.STEP or before is None:
        return None
    seconds = max(0, (situation.second - before.since) // SECOND)
    return max(0, (before.chain or 0) - STEPS_A_SECOND * seconds) + 1


def note_long_chain(draft: Draft, chain: int | None) -> None:
    """Tell people of a chain that is slowed down from now on."""
    if chain == STEPS_AT_ONCE + 1:
        draft.announce(RunReason.SLOWED_DOWN, SLOWED, warning=True)


def chain_of(step: Step | None, kind: HandlerKind) -> int | None:
    """Return the length of the chain that a handler of that kind is the last of."""
    return step.chain if step is not None and kind is HandlerKind.STEP else None


def is_slowed(step: Step | None, kind: HandlerKind) -> bool:
    """Return whether a handler that is next waits for its time."""
    return (chain_of(step, kind) or 0) > STEPS_AT_ONCE


def in_turn(step: Step | None, kind: HandlerKind, now: datetime) -> datetime:
    """Return when a handler that is next may begin. A clock that went back holds up nothing."""
    if step is None or not is_slowed(step, kind):
        return LONG_AGO
    late = min((step.chain or 0) - STEPS_AT_ONCE, STEPS_A_SECOND)  # whatever somebody wrote there
    return over_at(step.since, timedelta(seconds=late / STEPS_A_SECOND), now)
