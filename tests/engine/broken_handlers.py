"""Engines that are broken on purpose in what they keep of a handler: records, retries, holds.

They are registered beside those of `broken_engines`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from grctl.models import EventPhase
from grctl_operator.engine import (
    ConfirmRecords,
    Decision,
    Release,
    commit,
    decide,
    dispatch,
    inbox,
    recording,
    retry,
)
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler
from grctl_operator.engine.situation import Situation
from tests.engine import worker_registry
from tests.engine.breaking import broken

TASKS = "handlers call tasks"
CRASHES = "handlers call tasks, and operators crash"


@broken(TASKS)
def a_journal_is_kept_past_a_commit(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def keeping(run: Any, *what: Any, **how: Any) -> Decision:
        decision = decide(run, *what, **how)
        new = decision.status
        if run is None or new is None or new.phase.finished or new.journal is not None:
            return decision
        return replace(decision, status=new.model_copy(update={"journal": run.status.journal}))

    return keeping


@broken(TASKS)
def a_record_passes_without_a_fence(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def attempts_at(situation: Situation, due: Due) -> tuple[Any, ...]:
        uid = due.event.uid if due.event else None
        held = situation.executions.held
        return tuple(each for each in held if each.execution.event_uid == uid)

    patch.setattr(recording, "attempts_at", attempts_at)
    return decide


@broken(TASKS)
def a_later_record_counts(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(recording, "merge", lambda known, sent: {**known, **sent})
    return decide


@broken(CRASHES)
def an_answer_comes_before_the_write(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def hasty(*what: Any, **how: Any) -> Decision:
        decision = decide(*what, **how)
        told = tuple(each for each in decision.after if isinstance(each, ConfirmRecords))
        return replace(decision, before=decision.before + told)

    patch.setattr(worker_registry, "find_durable", lambda held, journal, keys: keys)
    return hasty


@broken(CRASHES)
def a_journal_is_dropped_at_a_takeover(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = worker_registry.journal_to_give

    def journal_to_give(status: Any, execution: Any) -> dict[str, Any]:
        return {} if execution.attempt == 1 else right(status, execution)

    patch.setattr(worker_registry, "journal_to_give", journal_to_give)
    return decide


@broken(TASKS)
def a_further_attempt_drops_the_journal(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = retry._try_again

    def try_again(situation: Situation, draft: Draft, *what: Any) -> None:
        draft.change(journal=None)
        right(situation, draft, *what)

    patch.setattr(retry, "_try_again", try_again)
    return decide


@broken(TASKS)
def a_record_moves_commits(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def moving(run: Any, *what: Any, **how: Any) -> Decision:
        decision = decide(run, *what, **how)
        new = decision.status
        if run is None or new is None or new.journal is None or new.journal == run.status.journal:
            return decision
        moved = new.model_copy(update={"commits": new.commits + 1})
        return replace(decision, status=moved)

    return moving


@broken(TASKS)
def an_outcome_is_not_compared_with_the_journal(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(Situation, "contradicted_call", lambda situation, held: None)
    return decide


@broken(CRASHES)
def a_base_is_released_before_what_is_void_behind_it(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def committed_first(*what: Any, **how: Any) -> Decision:
        decision = decide(*what, **how)
        return replace(
            decision, before=_late_voids(decision.before), after=_late_voids(decision.after)
        )

    return committed_first


def _late_voids(effects: tuple[Any, ...]) -> tuple[Any, ...]:
    void = [each for each in effects if isinstance(each, Release) and not each.committed]
    return (*(each for each in effects if each not in void), *void)


HELD = "handlers fail and are held"


@broken(HELD)
def a_held_handler_is_dispatched(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def unheld(*asked: Any) -> Due | None:
        due = due_handler(*asked)
        return due and replace(due, stall=None)

    patch.setattr(dispatch, "due_handler", unheld)
    return decide


@broken(HELD)
def a_failure_counts_again_for_the_next_operator(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(Due, "is_latest", lambda due, execution: True)
    return decide


CHOICES = "waits choose"
CHOICES_AND_TASKS = "waits choose, and handlers call tasks"


@broken(CHOICES_AND_TASKS)
def a_rejection_drops_a_journal(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def drop(situation: Situation, draft: Draft) -> None:
        draft.change(journal=None)

    patch.setattr(inbox, "_drop_journal_of_consumed", drop)
    return decide


@broken(CHOICES)
def a_wait_that_chooses_skips_what_came_before(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = commit._succeed

    def succeed(
        situation: Situation, draft: Draft, execution: Any, result: Any, event: Any
    ) -> None:
        for each in list(inbox.unconsumed_events(situation, draft)):
            if event is not None and each.place < event.place:
                draft.consume(each, EventPhase.PROCESSED, "Handled")
        right(situation, draft, execution, result, event)

    patch.setattr(commit, "_succeed", succeed)
    return decide


@broken(CHOICES)
def a_wait_that_chooses_takes_what_was_handed_over(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(Situation, "is_out_of_turn", lambda situation, held: False)
    patch.setattr(commit, "_may_commit", lambda situation, draft, execution: True)
    return decide
