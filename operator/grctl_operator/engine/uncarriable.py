"""Payloads and inputs that cannot be carried to a worker.

I8 (bad input). An event with such a payload is rejected in its turn (see `inbox`); a run with such
an input fails. Both are commits like any other, in order and fenced.
"""

from grctl.json.raw_json import Uncarriable
from grctl.models.phases import HandlerKind, RunPhase
from grctl.models.reasons import RunReason
from grctl.models.run import HistoryEntry, RunError
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import due_handler
from grctl_operator.engine.situation import Situation


def fail_uncarriable_input(situation: Situation, draft: Draft) -> bool:
    """Fail a run whose start handler is due and whose input cannot be carried to it."""
    given = situation.run.spec.workflow.input
    if not isinstance(given, Uncarriable):
        return False
    due = due_handler(situation, draft)
    if due is None or due.kind is not HandlerKind.START:
        return False
    text = f"spec.workflow.input {given.why}. Delete the run and start it with an input that fits."
    error = RunError(type=RunReason.BAD_INPUT, message=text)
    draft.record(_entry(situation))
    draft.finish(RunPhase.FAILED, RunReason.BAD_INPUT, f"Failed: {text}", error=error)
    draft.commit()
    return True


def _entry(situation: Situation) -> HistoryEntry:
    return HistoryEntry(
        commit=situation.run.status.commits + 1,
        at=situation.second,
        handler="start",
        kind=HandlerKind.START.value,
        outcome="failed",
    )
