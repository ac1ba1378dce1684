"""Engines that are broken on purpose, each in one rule: the stateful test must catch each of them.

A stateful test that cannot fail proves nothing. Each function is named by what its engine does
wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from grctl.models import EventPhase
from grctl_operator.engine import (
    Decision,
    Event,
    Events,
    Executions,
    LetGo,
    Settle,
    Trim,
    ahead,
    choice,
    commit,
    decide,
    desired,
    due,
    ending,
    inbox,
    orphans,
    retention,
    retry,
    wait,
)
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation
from grctl_operator.views.events import EventCache
from tests.engine.breaking import broken, module_of, with_rule


@broken("no faults but time")
def the_newest_event_goes_first(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = choice.taken_events
    patch.setattr(choice, "taken_events", lambda *asked: reversed(list(right(*asked))))
    return decide


@broken("events are touched")
def an_event_takes_the_place_of_its_last_change(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = EventCache._take

    def take(cache: EventCache, key: Any, item: Any) -> bool:
        cache._inbox(key).drop(item["metadata"]["uid"])
        return right(cache, key, item)

    patch.setattr(EventCache, "_take", take)
    return decide


@broken("no faults but time")
def an_outbox_entry_goes_with_the_next_commit(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(Situation, "unconfirmed_entries", ())
    return decide


@broken("two operators that lag")
def a_stale_event_cache_is_trusted_with_a_fresh_run(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(Situation, "events_complete", True)
    return decide


@broken("runs are made anew beside a second operator")
def an_event_older_than_its_run_is_trusted(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(Situation, "trusts", lambda situation, event: situation.events_complete)
    return decide


@broken("the clock steps back while runs are made anew")
def an_event_is_trusted_for_its_stamp(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(Situation, "trusts", _is_stamped_later)
    return decide


def _is_stamped_later(situation: Situation, event: Event) -> bool:
    """Return whether an event is younger than its run by the clock, which may step back."""
    created, listing = situation.run.metadata.creation_timestamp, situation.events.listing
    listed = listing is not None and listing.run_uid == situation.run.metadata.uid
    younger = created is not None and event.created > created
    certain = event.uid not in situation.events.in_doubt
    return certain and situation.events_complete and (listed or younger)


@broken("workers come and go")
def an_outcome_commits_twice(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def is_current(situation: Situation, execution: Any) -> bool:
        same_run = execution.run_uid == situation.run.metadata.uid
        return same_run and not situation.run.status.phase.finished

    patch.setattr(Situation, "is_current", is_current)
    return decide


@broken("runs are made anew")
def an_outcome_of_the_deleted_run_is_accepted(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def is_current(situation: Situation, execution: Any) -> bool:
        status = situation.run.status
        fence = (execution.commits, execution.base) == (status.commits, status.last_execution)
        return fence and not status.phase.finished

    patch.setattr(Situation, "is_current", is_current)
    return decide


@broken("a worker goes ahead")
def an_event_handed_over_ahead_commits_in_place_of_a_step(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def is_current(situation: Situation, execution: Any) -> bool:
        status = situation.run.status
        fence = (situation.run.metadata.uid, status.commits, status.last_execution)
        built_on = (execution.run_uid, execution.commits, execution.base)
        return built_on == fence and not status.phase.finished

    patch.setattr(Situation, "is_current", is_current)
    return decide


@broken("a worker goes ahead")
def an_execution_built_on_a_lost_one_commits(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def is_current(situation: Situation, execution: Any) -> bool:
        status = situation.run.status
        fence = (situation.run.metadata.uid, status.commits)
        return (execution.run_uid, execution.commits) == fence and not status.phase.finished

    patch.setattr(Situation, "is_current", is_current)
    return decide


@broken("a worker goes ahead")
def outcomes_commit_in_the_order_in_which_they_came(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def latest(situation: Situation, draft: Draft, committed: list[Any]) -> Any:
        if committed and draft.status.wait is None:
            return None
        done = {execution.id for execution in committed}
        back = [
            each for each in situation.in_flight if each.outcome and each.execution.id not in done
        ]
        return back[-1].outcome if back else None

    patch.setattr(commit, "_next_outcome", latest)
    return decide


@broken("a worker goes ahead")
def only_the_last_outcome_of_a_commit_counts_as_committed(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = commit._committed_before

    def last(situation: Situation) -> dict[str, int]:
        found = right(situation)
        return {name: found[name] for name in list(found)[:1]}

    patch.setattr(commit, "_committed_before", last)
    patch.setattr(commit, "_why_void", lambda *_: "the run went on without it")
    return decide


@broken("a worker goes ahead")
def an_event_goes_ahead_of_the_one_before_it(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def may_commit(situation: Situation, draft: Draft, execution: Any) -> bool:
        event = situation.events.find(execution.event_uid)
        return execution.event_uid is None or (event is not None and situation.trusts(event))

    right = ahead._next_events
    patch.setattr(ahead, "_next_events", lambda *asked: reversed(list(right(*asked))))
    patch.setattr(Situation, "is_out_of_turn", lambda situation, held: False)
    patch.setattr(commit, "_may_commit", may_commit)
    return decide


@broken("no faults but time")
def the_engine_asks_for_no_wake_up(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def forgetful(*what: Any, **how: Any) -> Decision:
        return replace(decide(*what, **how), look_again_at=None)

    return forgetful


@broken("deadlines, lags and clocks")
def a_timeout_fires_without_a_list(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(wait, "_listed_past", lambda situation, deadline: True)
    return decide


@broken("deadlines, lags and clocks")
def a_timeout_fires_by_a_list_from_before_the_deadline(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(
        wait, "_listed_past", lambda situation, deadline: situation.events.listing is not None
    )
    return decide


@broken("deadlines, lags and clocks")
def a_timeout_fires_in_the_deadlines_own_second(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(wait, "is_past", lambda moment, deadline: moment >= deadline)
    return decide


@broken("deadlines, lags and clocks")
def a_timeout_fires_although_an_event_waits(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(wait, "next_event", lambda situation, draft: None)
    return decide


@broken("no faults but time")
def a_timeout_swallows_the_next_event(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = wait._fire

    def fire(situation: Situation, draft: Draft, step: str) -> None:
        head = next(iter(situation.events), None)
        if head:
            draft.consume(head, EventPhase.PROCESSED, "Handled")
        right(situation, draft, step)

    patch.setattr(wait, "_fire", fire)
    return decide


@broken("no faults but time")
def an_event_from_after_the_deadline_ends_the_wait(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(choice, "in_time", lambda events, deadline: iter(events))
    return decide


@broken("no faults but time")
def a_rejection_does_not_wait_for_its_turn(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def unfit(situation: Situation, draft: Draft) -> Iterator[tuple[Event, str, str]]:
        for event in inbox.unconsumed_events(situation, draft):
            verdict = inbox._unfit(situation, draft, event)
            if verdict and situation.trusts(event):
                yield event, *verdict

    patch.setattr(inbox, "_unfit_in_turn", unfit)
    return decide


@broken("two operators that lag")
def an_event_is_settled_before_its_commit(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def hasty(*what: Any, **how: Any) -> Decision:
        decision = decide(*what, **how)
        settles = tuple(each for each in decision.after if isinstance(each, Settle))
        return replace(decision, before=decision.before + settles)

    return hasty


@broken("crashes")
def an_outbox_is_not_settled_after_a_crash(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def lazy(run: Any, *what: Any, **how: Any) -> Decision:
        decision = decide(run, *what, **how)
        kept = tuple(each for each in decision.before if not isinstance(each, Settle))
        return decision if run is None else replace(decision, before=kept)

    return lazy


@broken("runs are made anew")
def a_deleted_run_goes_before_its_outbox_is_empty(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def empty_deleted(situation: Situation, draft: Draft) -> bool:
        if situation.run.deleting and situation.run.held:
            draft.before.append(LetGo())
        return situation.run.deleting

    return with_rule(patch, ending.empty_deleted, empty_deleted)


@broken("people end runs")
def a_finished_run_forgets_its_inbox(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def forget(situation: Situation, draft: Draft) -> bool:
        return situation.run.status.phase.finished

    return with_rule(patch, ending.reject_waiting_events, forget)


@broken("workers come and go")
def a_lost_execution_is_not_tried_again(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def ignore(situation: Situation, draft: Draft) -> bool:
        return any(held.lost for held in situation.executions.held)

    return with_rule(patch, retry.retry_lost, ignore)


@broken("runs are made anew")
def a_run_that_was_not_seen_yet_counts_as_gone(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = orphans.decide_without_run

    def hasty(
        events: Events, executions: Executions, now: datetime, timeout: timedelta
    ) -> Decision:
        everything = frozenset(event.uid for event in events)
        return right(replace(events, orphans=everything), executions, now, timeout)

    patch.setattr(module_of(decide), "decide_without_run", hasty)
    return decide


@broken("events are touched")
def the_watch_brings_back_an_event_that_our_own_answer_ended(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(EventCache, "_remember_gone", lambda cache, uid, revision: None)
    return decide


@broken("two operators that lag")
def the_watch_brings_back_an_event_that_a_list_ended(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = EventCache.on_run_list

    def on_run_list(cache: EventCache, key: Any, *arguments: Any) -> None:
        right(cache, key, *arguments)
        cache._inbox(key).floor = 0

    patch.setattr(EventCache, "on_run_list", on_run_list)
    return decide


@broken("two operators that lag")
def a_list_that_the_watch_has_overtaken_counts(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def on_run_list(cache: EventCache, key: Any, items: Any, revision: int, *known: Any) -> None:
        cache._reconcile_list(key, items, revision)
        cache._note_listing(key, *known)

    patch.setattr(EventCache, "on_run_list", on_run_list)
    return decide


@broken("events are touched")
def a_withdrawn_event_stays_in_the_cache(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(EventCache, "_end", lambda cache, key, item, revision: False)
    return decide


@broken("little is kept")
def a_finished_run_is_deleted_before_its_time_is_over(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(retention, "is_past", lambda moment, until: True)
    return decide


@broken("little is kept")
def a_finished_run_is_not_looked_at_when_its_time_is_over(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = retention.expire

    def forgetful(situation: Situation, draft: Draft) -> bool:
        before = draft._look_again_at
        closed = right(situation, draft)
        draft._look_again_at = before
        return closed

    return with_rule(patch, right, forgetful)


@broken("little is kept")
def the_newest_events_are_removed_as_well(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    def trim(situation: Situation, draft: Draft) -> None:
        total = situation.run.status.events.total
        if situation.run.spec.keep_events is not None and total:
            draft.before.append(Trim(total))

    return with_rule(patch, retention.trim, trim)


@broken("little is kept")
def an_event_of_the_outbox_counts_as_settled(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(
        retention, "_settled_through", lambda situation: situation.run.status.events.total
    )
    return decide


@broken("little is kept")
def a_finished_run_keeps_all_its_events(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = retention.trim

    def trim(situation: Situation, draft: Draft) -> None:
        if not situation.run.status.phase.finished:
            right(situation, draft)

    return with_rule(patch, right, trim)


@broken("people wish the end of runs")
def a_cancellation_voids_a_running_handler(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = desired.obey_spec

    def hasty(situation: Situation, draft: Draft) -> bool:
        in_flight, situation.__dict__["in_flight"] = situation.in_flight, ()
        closed = right(situation, draft)
        situation.__dict__["in_flight"] = in_flight
        return closed

    return with_rule(patch, right, hasty)


@broken("people wish the end of runs")
def a_cancelled_run_goes_on_waiting(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    right = desired.obey_spec

    def patient(situation: Situation, draft: Draft) -> bool:
        waits = due.due_handler(situation, draft) is None
        return (not waits or bool(situation.run.spec.terminate)) and right(situation, draft)

    return with_rule(patch, right, patient)


@broken("people wish the end of runs")
def an_outcome_beats_a_termination(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    module = module_of(decide)
    (termination,) = (row for row in module.CLOSING_RULES if row.rule is desired.obey_spec)
    rows = [row for row in module.CLOSING_RULES if row is not termination]
    rows.insert([row.rule for row in rows].index(commit.commit_outcomes) + 1, termination)
    patch.setattr(module, "CLOSING_RULES", tuple(rows))
    return decide


@broken("people wish the end of runs")
def a_run_times_out_in_its_last_second(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(desired, "is_past", lambda moment, deadline: moment >= deadline)
    return decide


@broken("the clock steps back")
def a_back_off_waits_for_a_clock_that_stepped_back(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(retry, "over_at", lambda since, length, now: since + length)
    return decide
