"""The tables of the rules: in which order they apply, and what each one needs.

1. Each rule of `ADDING_RULES` adds what it has to add: effects, or a moment to look again.
2. Then the rules of `CLOSING_RULES` are tried in order. One that returns True closes the matter:
   the rest is decided anew from the objects as the API server then has them. A rule that cannot
   close it yet may ask for a list of the events, or for a later look.
3. If nothing closed the matter, the rules of `LAST_RULES` hand over the handler that is due.

A rule is called only if all its needs are facts. `docs/reference/rules.md` is drawn from here.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from grctl_operator.engine.ahead import defer_outcomes, dispatch_ahead
from grctl_operator.engine.commit import commit_outcomes, release_void
from grctl_operator.engine.desired import is_over_time, obey_spec
from grctl_operator.engine.dispatch import await_timeout_step, dispatch_due
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.ending import empty_deleted, reject_waiting_events
from grctl_operator.engine.finalizer import hold
from grctl_operator.engine.handler_retry import retry_failed
from grctl_operator.engine.identity import is_restored, stop_restored
from grctl_operator.engine.inbox import await_judgement, keep_places, reject_unfit
from grctl_operator.engine.outbox import settle_consumed
from grctl_operator.engine.recording import write_records
from grctl_operator.engine.retention import expire, is_expired, trim
from grctl_operator.engine.retry import retry_lost
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.stall import obey_retry
from grctl_operator.engine.time_limit import await_time_limits
from grctl_operator.engine.uncarriable import fail_uncarriable_input
from grctl_operator.engine.wait import end_wait


class Fact(StrEnum):
    """What a rule may need of a run. The values are the texts of docs/reference/rules.md."""

    RESTORED = "its status was made for another object"
    OURS = "its status is its own, or it is being deleted"
    DELETED = "it is being deleted"
    PRESENT = "its status is its own, and it is not being deleted"
    FINISHED = "it has finished"
    ACTIVE = "it has not finished"
    STAYS = "its `ttlSecondsAfterFinished` is not over"
    GOES_ON = "neither its spec nor its timeout ends it"
    HELD = "the finalizer holds it"
    WAITING = "it waits for an event"
    IDLE = "no execution is in flight"
    DEFERRED = "its outcomes may share a later write"


class Adding(NamedTuple):
    """A rule that adds to the draft."""

    rule: Callable[[Situation, Draft], None]
    needs: frozenset[Fact]


class Closing(NamedTuple):
    """A rule that closes the matter if it applies, and then returns True."""

    rule: Callable[[Situation, Draft], bool]
    needs: frozenset[Fact]


def _needs(*facts: Fact) -> frozenset[Fact]:
    return frozenset(facts)


OURS, PRESENT, ACTIVE = Fact.OURS, Fact.PRESENT, Fact.ACTIVE
HELD, WAITING, IDLE = Fact.HELD, Fact.WAITING, Fact.IDLE

ADDING_RULES = (
    Adding(keep_places, _needs()),
    Adding(settle_consumed, _needs(OURS)),
    Adding(release_void, _needs(OURS)),
    Adding(trim, _needs(PRESENT, Fact.STAYS)),
    Adding(hold, _needs(PRESENT)),
    Adding(await_time_limits, _needs(ACTIVE)),
    Adding(dispatch_ahead, _needs(ACTIVE, Fact.GOES_ON, HELD, WAITING)),
)

CLOSING_RULES = (
    Closing(stop_restored, _needs(Fact.RESTORED)),
    Closing(empty_deleted, _needs(Fact.DELETED)),
    Closing(expire, _needs(Fact.FINISHED)),
    Closing(reject_waiting_events, _needs(Fact.FINISHED)),
    Closing(obey_spec, _needs(ACTIVE, HELD)),
    Closing(defer_outcomes, _needs(ACTIVE, Fact.DEFERRED)),
    Closing(commit_outcomes, _needs(ACTIVE, HELD)),
    Closing(write_records, _needs(ACTIVE, HELD)),
    Closing(obey_retry, _needs(ACTIVE, HELD)),
    Closing(retry_failed, _needs(ACTIVE, HELD)),
    Closing(retry_lost, _needs(ACTIVE, HELD)),
    Closing(reject_unfit, _needs(ACTIVE, HELD, IDLE, WAITING)),
    Closing(fail_uncarriable_input, _needs(ACTIVE, HELD, IDLE)),
    Closing(end_wait, _needs(ACTIVE, HELD, IDLE, WAITING)),
)

LAST_RULES = (
    Adding(dispatch_due, _needs(ACTIVE)),
    Adding(await_timeout_step, _needs(ACTIVE, IDLE, WAITING)),
    Adding(await_judgement, _needs(ACTIVE, IDLE, WAITING)),
)


def facts_of(situation: Situation, *, deferred: bool = False) -> frozenset[Fact]:
    """Return which facts are true of the run."""
    run = situation.run
    if is_restored(situation) and not run.deleting:
        return _needs(Fact.RESTORED)
    found = [OURS, *_facts_of_stage(situation)]
    if run.held:
        found.append(HELD)
    if run.status.wait is not None:
        found.append(WAITING)
    if not situation.in_flight:
        found.append(IDLE)
    if deferred:
        found.append(Fact.DEFERRED)
    return frozenset(found)


def _facts_of_stage(situation: Situation) -> tuple[Fact, ...]:
    if situation.run.deleting:
        return (Fact.DELETED,)
    if situation.run.status.phase.finished:
        stays = () if is_expired(situation) else (Fact.STAYS,)
        return (PRESENT, Fact.FINISHED, *stays)
    goes_on = () if _is_to_end(situation) else (Fact.GOES_ON,)
    return (PRESENT, Fact.STAYS, ACTIVE, *goes_on)


def _is_to_end(situation: Situation) -> bool:
    spec = situation.run.spec
    return bool(spec.cancel or spec.terminate) or is_over_time(situation)
