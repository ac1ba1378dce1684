"""The event names that a run knows: those that a worker of its type has, or once had.

1. A known name stays known: an event of that name waits for a worker that has it, I8 (bad input).
   Only a name that no worker had during the run's life is unknown. So neither a rollout without a
   handler nor a restart of the only worker that has it rejects an event.
2. The status holds the names, so that they survive the operator: `eventNames` are those of the
   connected workers, `pastEventNames` those that only earlier workers had.
3. A name is written into the status before an event of that name is given to a worker. So an event
   whose handler began has a known name, even if the worker and the operator crash.
4. `eventNames` are compared without their order: a worker that reconnects changes nothing.
"""

from collections.abc import Container, Iterable
from itertools import chain

from grctl.models.base import NAME_LENGTH
from grctl.models.limits import MAX_SHOWN_NAMES
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import WorkerPresence
from grctl_operator.engine.situation import Situation

MAX_PAST_EVENT_NAMES = 100
"""Names that no connected worker has. A workflow has fewer events in years."""


def is_known(situation: Situation, name: str) -> bool:
    """Return whether a worker has, or had, a handler of that name."""
    return is_written(situation, name) or name in _names(situation.executions.workers)


def is_written(situation: Situation, name: str) -> bool:
    """Return whether the run's status says that the name is known."""
    status = situation.run.status
    return name in status.event_names or name in status.past_event_names


def connected_event_names(situation: Situation) -> tuple[str, ...]:
    """Return the event names that connected workers of the type handle."""
    return _names(worker for worker in situation.executions.workers if worker.connected)


def are_noted(situation: Situation) -> bool:
    """Return whether all workers are of the version that the status shows: the usual case."""
    names, workers = situation.run.status.event_names, situation.executions.workers
    return bool(workers) and all(
        worker.connected and worker.catalogue.event_names == names for worker in workers
    )


def note_names(situation: Situation, draft: Draft, due: str | None = None) -> bool:
    """Put the names that are known now into the status. Return whether that changes it.

    `due` is the name of an event that is to be given to a worker: it is kept in any case.
    """
    status, shown = (
        draft.status,
        _shown_names(situation, draft),
    )  # it may have been noted in this decision
    before = (*status.past_event_names, *status.event_names, *((due,) if due else ()))
    past = _without(before, shown)[-MAX_PAST_EVENT_NAMES:]
    others = _without(_names(situation.executions.workers), {*shown, *past})
    past = (*past, *others[: MAX_PAST_EVENT_NAMES - len(past)])
    draft.change(event_names=shown, past_event_names=past)
    written = situation.run.status
    return (shown, past) != (written.event_names, written.past_event_names)


def _shown_names(situation: Situation, draft: Draft) -> tuple[str, ...]:
    """Return the names for `eventNames`: the present ones if no worker is connected."""
    workers, shown = situation.executions.workers, draft.status.event_names
    if any(worker.connected for worker in workers):
        names = connected_event_names(situation)[:MAX_SHOWN_NAMES]
    else:
        names = shown or _names(workers)[:MAX_SHOWN_NAMES]
    return shown if set(names) == set(shown) else names


def _without(names: Iterable[str], others: Container[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name not in others)


def _names(workers: Iterable[WorkerPresence]) -> tuple[str, ...]:
    """Return the event names of workers, without those too long for an event."""
    names = chain.from_iterable(worker.catalogue.event_names for worker in workers)
    return tuple(dict.fromkeys(name for name in names if len(name) <= NAME_LENGTH))
