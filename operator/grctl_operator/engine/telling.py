"""What people are told by core Events: what an object's status says too, where they look first.

1. A run's end is told on the run, by the name of its phase.
2. An event that no handler took is told on the event; all that a commit rejects also on the run,
   together: a person looks there first, and ten thousand mistakes are one line.
3. A state (no worker, no run) is told once it has lasted, with the moment since which it does:
   a rolling update, a run created after its events, are no news.
4. Never a payload: more people may read core Events than runs and events.
"""

from datetime import timedelta

from grctl.models.phases import EventPhase, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import Settlement
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation

TOLD_AFTER = timedelta(seconds=5)
"""What is over by then is not told: workers that are replaced, a run created with its events."""

TOLD_OF = 10
"""Of so many events that wait at most; more would flood the reader."""

WITHOUT_PAYLOAD = {
    EventReason.BAD_PAYLOAD: "its payload does not fit the handler; its status.message says why"
}
"""Texts for reasons whose message may quote the payload."""

GOOD_ENDS = frozenset({RunPhase.COMPLETED, RunPhase.CANCELLED, RunPhase.TERMINATED})
"""Of these somebody knows already."""


def tell(situation: Situation, draft: Draft) -> None:
    """Tell of what the commit under way makes true."""
    known = {entry.uid for entry in situation.run.status.settled}
    settled = [entry for entry in draft.status.settled if entry.uid not in known]
    missed = [entry for entry in settled if entry.phase is not EventPhase.PROCESSED]
    for entry in missed:
        event = situation.events.find(entry.uid)
        draft.announce(entry.phase, _why(entry), event, warning=True)
    rejected = [entry for entry in missed if entry.phase is EventPhase.REJECTED]
    if rejected:
        text = _last_of(rejected)
        draft.announce(RunReason.REJECTED, text, warning=True, times=len(rejected))
    if draft.ended_by:
        _tell_end(draft)


def _why(entry: Settlement) -> str:
    """Say why an event was not handled."""
    text = WITHOUT_PAYLOAD.get(EventReason(entry.reason), entry.message)
    return f"{entry.reason}: {text}"


def _last_of(rejected: list[Settlement]) -> str:
    last = rejected[-1]
    several = f"{len(rejected)} events, the last: " if len(rejected) > 1 else ""
    return f"{several}{last.name}: {_why(last)}"


def _tell_end(draft: Draft) -> None:
    phase = draft.status.phase
    text = draft.status.message.removeprefix(f"{phase}: ")
    draft.announce(phase, text, warning=phase not in GOOD_ENDS)
