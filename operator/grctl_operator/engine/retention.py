"""How long what is over stays: a finished run, and the settled events of any run.

1. A finished run is deleted when `spec.ttlSecondsAfterFinished` has passed, never earlier. That is
   a deletion as a person's: what waits is rejected, then the run goes (`ending.empty_deleted`).
2. Of a run's settled events the newest `spec.keepEvents` stay, by their sequence. One that is in
   the outbox and not known settled stays in any case, and so does what comes after it.
3. What was removed before is not known here: the same is asked for again, and done once.
"""

from datetime import datetime, timedelta

from grctl_operator.engine.decision import Delete, Trim
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import SECOND
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.wait import deadline_after, is_past

KEPT = 1000
"""Settled events of a run that stay where its spec does not say how many."""


def expire(situation: Situation, draft: Draft) -> bool:
    """Delete a finished run whose time is over; wake when it will be."""
    until = _stays_until(situation)
    if until is None:
        return False
    if not is_past(situation.now, until):
        draft.wake(until + SECOND)
        return False
    if situation.run.held:  # else it would not take its events along
        draft.before.append(Delete())
    return True


def is_expired(situation: Situation) -> bool:
    """Return whether a finished run has stayed for as long as it is to stay."""
    until = _stays_until(situation)
    return until is not None and is_past(situation.now, until)


def _stays_until(situation: Situation) -> datetime | None:
    run = situation.run
    seconds, finished = run.spec.ttl_seconds_after_finished, run.status.finished_at
    if seconds is None or finished is None:
        return None
    return deadline_after(finished, timedelta(seconds=seconds))


def trim(situation: Situation, draft: Draft) -> None:
    """Remove settled events beyond those that are kept; where only a list can tell, ask for one."""
    kept = situation.run.spec.keep_events
    surplus = situation.run.status.events.total - (KEPT if kept is None else max(kept, 0))
    settled = _settled_through(situation)
    if surplus > settled and not situation.events_complete:
        draft.read_events()
    if min(surplus, settled) > 0:
        draft.before.append(Trim(min(surplus, settled)))


def _settled_through(situation: Situation) -> int:
    """Give the sequence up to which every event is known to be settled."""
    open_ = (entry.sequence for entry in situation.unconfirmed if entry.sequence is not None)
    return min(open_, default=situation.run.status.events.total + 1) - 1
