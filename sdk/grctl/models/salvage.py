"""Reading a run whose status a person broke: what fits is kept, and the rest is named.

1. The API server takes any JSON in the lists of a status (`crds`, rule 3), and an earlier version
   of the definition took more than that.
2. What is only for people may be missing. Where anything else is, the run stops (`Unreadable`)
   until a person ends it or puts the status right.
3. So it does where the parts of a status contradict each other: to guess which one is right could
   run a handler twice, or lose what it left.
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
        "eventNames",
        "pastEventNames",
        "observedGeneration",
        "startedAt",
    }
)
"""Fields of a run's status on which nothing depends: the operator makes them anew."""

COUNTING = frozenset({"events", "step"})
"""Fields of a run's status that hold numbers."""


def salvage(item: Json, carry: Carry) -> tuple[Json, tuple[str, ...]]:
    """Return a run with the part of its status that fits, and the names of what does not.

    Args:
        item: The object.
        carry: Makes of a status what the model is to hold; may raise what it likes.
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
    """Return which of these fields of a run's status are missed; None if nothing depends on any."""
    broken = [f"status.{name}" for name in lost if name not in FOR_PEOPLE]
    return f"{', '.join(broken)} cannot be read" if broken else None


def contradiction(run: WorkflowRun) -> str | None:
    """Return in which way the status of a run contradicts itself; None: it does not.

    What is next is what the wait says, else the step; before the first commit it is the start
    handler. Where a run has finished or is being deleted, nothing is next.
    """
    status = run.status
    if status.phase.finished or run.deleting:
        return None
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


def overcounted(status: Json) -> str | None:
    """Return the field of a status with a number beyond what is ever counted."""
    for name, value in status.items():
        if any(
            isinstance(each, int) and each > MAX_BELIEVED_COUNT for each in _counts(name, value)
        ):
            return name
    return None


def _counts(name: str, value: Any) -> Iterable[Any]:
    """Return what may be a number in a field of a status."""
    if name in COUNTING and isinstance(value, dict):
        return value.values()
    if name == "settled" and isinstance(value, list):
        return [each.get("sequence") for each in value if isinstance(each, dict)]
    return (value,)


def unreadable_message(why: str) -> str:
    """Return a text: what of a status cannot be read, and what a person can do."""
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
    except Exception:  # noqa: BLE001  # whatever is wrong with it
        return False
    return True
