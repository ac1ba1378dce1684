"""The decision about one run: what to write and what to do, by the tables of `rules`.

1. Same input, same Decision. Nothing here reads a clock, makes a name or remembers anything.
2. A rule acts on a cache only as far as the cache may be trusted; otherwise it asks for a list.
3. A decision is checked (`invariants`) before anything is done about it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from grctl.models.run import WorkflowRun
from grctl_operator.engine.announcements import announce_commit
from grctl_operator.engine.decision import Decision
from grctl_operator.engine.display import display
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.identity import decide_broken, is_broken
from grctl_operator.engine.observation import Events, Executions
from grctl_operator.engine.orphans import ORPHAN_TIMEOUT, decide_without_run
from grctl_operator.engine.rules import (
    ADDING_RULES,
    CLOSING_RULES,
    LAST_RULES,
    Adding,
    Closing,
    Fact,
    facts_of,
)
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.size import fail_refused
from grctl_operator.engine.time_limit import end_overdue


def decide(
    run: WorkflowRun | None,
    events: Events,
    executions: Executions,
    now: datetime,
    *,
    orphan_timeout: timedelta = ORPHAN_TIMEOUT,
    defer_outcomes: bool = False,
) -> Decision:
    """Return what to write and to do about one run. Same input, same Decision.

    Args:
        run: The run as it was last read or written; None if there is no run of that id.
        events: Its unsettled events, and how far this view may be trusted.
        executions: Its executions, and the workers of its type.
        now: A moment that is not later than the API server's time.
        orphan_timeout: How long an event waits for a run of its id.
        defer_outcomes: Whether outcomes that may be batched are deferred to a later write. Then the
            commit, which would be thrown away, is not made: only what goes ahead of it is decided.
    """
    if run is None:
        return decide_without_run(events, executions, now, orphan_timeout)
    if is_broken(run):
        return decide_broken(run, executions)
    situation = Situation(run, events, end_overdue(run, executions, now), now)
    draft = Draft(situation)
    _apply_rules(facts_of(situation, deferred=defer_outcomes), situation, draft)
    return draft.decision() if draft.defers_outcomes else _decision(situation, draft)


def decide_refused(
    run: WorkflowRun, events: Events, executions: Executions, now: datetime
) -> Decision:
    """Return what to write of a run whose decided status was refused as too large.

    The decision has no status if nothing smaller would be true.
    """
    situation = Situation(run, events, executions, now)
    draft = Draft(situation)
    fail_refused(situation, draft)
    return _decision(situation, draft) if draft.ended_by else Decision()


def _decision(situation: Situation, draft: Draft) -> Decision:
    announce_commit(situation, draft)
    display(situation, draft)
    return draft.decision()


def _apply_rules(facts: frozenset[Fact], situation: Situation, draft: Draft) -> None:
    """Apply the rules whose needs are facts: those that add, then the first that closes."""
    _add(ADDING_RULES, facts, situation, draft)
    if not _close(CLOSING_RULES, facts, situation, draft):
        _add(LAST_RULES, facts, situation, draft)


def _add(
    rows: Iterable[Adding], facts: frozenset[Fact], situation: Situation, draft: Draft
) -> None:
    for rule, needs in rows:
        if needs <= facts:
            rule(situation, draft)


def _close(
    rows: Iterable[Closing], facts: frozenset[Fact], situation: Situation, draft: Draft
) -> bool:
    return any(needs <= facts and rule(situation, draft) for rule, needs in rows)
