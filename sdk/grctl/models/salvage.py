"""Read a run whose status a person broke: keep the parts that fit, and name the others.

1. The API server takes any JSON in the lists of a status (see `crds`), and an earlier version of
   the CRD took even more.
2. A field that is only for people may be missing. If any other field does not fit, the run stops
   (`Unreadable`) until a person ends it or corrects the status.
3. A run also stops if parts of its status contradict each other. To guess which part is right could
   run a handler twice, or lose its outcome. The same holds for a journal of another shape.
"""

from collections.abc import Callable, Iterable
from typing import Any

from grctl.models.base import MAX_BELIEVED_COUNT
from grctl.models.phases import HandlerKind, RunPhase
from grctl.models.run import RunStatus, WorkflowRun

Json = dict[str, Any]
Carry = Callable[[Json], Json]

FOR_PEOPLE = frozenset(
    {
        "message",
        "conditions",
        "inbox",
        "inboxLength",
        "history",
        "answers",
        "eventNames",
        "pastEventNames",
        "observedGeneration",
        "startedAt",
    }
)
"""Fields of a run's status on which no decision depends: the operator makes them again."""

COUNTING = frozenset({"events", "step"})
"""Fields of a run's status that are objects with counts."""


def salvage(item: Json, carry: Carry) -> tuple[Json, tuple[str, ...]]:
    """Return a run with the fields of its status that fit, and the names of the others.

    Args:
        item: The run's object.
        carry: Returns a status as the model holds it, or raises any error.
    """
    status = item.get("status")
    if not isinstance(status, dict):
        return {**item, "status": {}}, () if status is None else ("status",)
    kept: Json = {}
    lost: list[str] = []
    for name, value in status.items():
        fitting = _fitting(name, value, carry)
        if fitting is not None:
            kept[name] = fitting
        if fitting is not value:
            lost.append(name)
    return {**item, "status": kept}, tuple(lost)


def what_is_broken(lost: tuple[str, ...]) -> str | None:
    """Return a text that names the fields on which decisions depend; None if there are none."""
    broken = [f"status.{name}" for name in lost if name not in FOR_PEOPLE]
    return f"{', '.join(broken)} cannot be read" if broken else None


def contradiction(run: WorkflowRun) -> str | None:
    """Return how the status of a run contradicts itself; None if it does not.

    The next handler is an event's while there is a wait, and the step's otherwise; before the first
    commit it is the start handler. A run that has finished or is being deleted has no next handler.
    """
    status = run.status
    if status.phase.finished or run.deleting:
        return None
    if status.journal is not None and not _is_journal(status.journal):
        return (
            "status.journal has no entries, an entry that is not an object, or an eventUid that is"
            " not a text"
        )
    if status.phase is RunPhase.WAIT_EVENT and status.wait is None:
        return "status.phase is WaitEvent, but status.wait is unset"
    kind = status.step.kind if status.step else None
    if kind in _kinds_next(status):
        return None
    wait, step = "set" if status.wait else "unset", f"a {kind}" if kind else "unset"
    return (
        f"status.commits is {status.commits}, but status.wait is {wait} and status.step is {step}"
    )


def _kinds_next(status: RunStatus) -> set[HandlerKind | None]:
    if status.wait is not None:
        return {None, HandlerKind.EVENT}
    return {HandlerKind.STEP} if status.commits else {None, HandlerKind.START}


def _is_journal(journal: Json) -> bool:
    """Return whether a journal has the shape that a handler's next attempt needs.

    A journal that is dropped would repeat side effects. The fields of an entry are left to the
    worker: it may be of a later version.
    """
    entries, owner = journal.get("entries"), journal.get("eventUid")
    return (
        isinstance(entries, dict)
        and all(isinstance(each, dict) for each in entries.values())
        and (owner is None or isinstance(owner, str))
    )


def overcounted(status: Json) -> str | None:
    """Return a field of a status with a larger number than we ever count to; None if none has."""
    for name, value in status.items():
        if any(
            isinstance(each, int) and each > MAX_BELIEVED_COUNT for each in _counts(name, value)
        ):
            return name
    return None


def _counts(name: str, value: Any) -> Iterable[Any]:
    """Return the values in a field of a status that may be counts."""
    if name in COUNTING and isinstance(value, dict):
        return value.values()
    if name == "settled" and isinstance(value, list):
        return [each.get("sequence") for each in value if isinstance(each, dict)]
    return (value,)


def unreadable_message(why: str) -> str:
    """Return the message for a run whose status cannot be read: the reason, and what to do."""
    return (
        f"{why}; somebody else than the operator wrote it. Nothing is done about the run until"
        " it is terminated, deleted or put right."
    )


def _fitting(name: str, value: Any, carry: Carry) -> Any:
    """Return a field's value as far as it fits: the same object, a part of a list, or None."""
    if _fits(name, value, carry):
        return value
    if not isinstance(value, list):
        return None
    return [each for each in value if _fits(name, [each], carry)] or None


def _fits(name: str, value: Any, carry: Carry) -> bool:
    try:
        RunStatus.model_validate(carry({name: value}))
    except Exception:  # noqa: BLE001  # any error means that it does not fit
        return False
    return True
