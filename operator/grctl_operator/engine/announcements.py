"""Core Events about commits: they repeat what a status says, where people look first.

1. A run's end is announced on the run, with its phase as the reason.
2. An event that no handler took is announced on the event. All events that one commit rejects are
   announced on the run too, together: people look there first, and ten thousand mistakes are one
   line.
3. A state (no worker, no run) is announced once it has lasted, with the moment at which it began.
   A rolling update, or a run created after its events, is not worth a message.
4. A message never holds a payload: more people may read core Events than runs and events.
"""

from datetime import timedelta

from grctl.models.phases import EventPhase, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import Settlement
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation

ANNOUNCED_AFTER = timedelta(seconds=5)
"""A state that ends earlier is not announced: workers are replaced, a run follows its events."""

MAX_ANNOUNCED_EVENTS = 10
"""Waiting events that are announced one by one; more would flood the reader."""

WITHOUT_PAYLOAD = {
    EventReason.BAD_PAYLOAD: "its payload does not fit the handler; its status.message says why"
}
"""Texts for reasons whose message may quote the payload."""

GOOD_ENDS = frozenset({RunPhase.COMPLETED, RunPhase.CANCELLED, RunPhase.TERMINATED})
"""Ends that are not a warning: a person asked for them."""


def announce_commit(situation: Situation, draft: Draft) -> None:
    """Announce what the present commit makes true."""
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
        _announce_end(draft)


def _why(entry: Settlement) -> str:
    """Return why an event was not handled."""
    text = WITHOUT_PAYLOAD.get(EventReason(entry.reason), entry.message)
    return f"{entry.reason}: {text}"


def _last_of(rejected: list[Settlement]) -> str:
    last = rejected[-1]
    several = f"{len(rejected)} events, the last: " if len(rejected) > 1 else ""
    return f"{several}{last.name}: {_why(last)}"


def _announce_end(draft: Draft) -> None:
    phase = draft.status.phase
    text = draft.status.message.removeprefix(f"{phase}: ")
    draft.announce(phase, text, warning=phase not in GOOD_ENDS)
