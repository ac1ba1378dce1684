"""The identity of a run: whether its status belongs to this object, and can be read.

I1 (no loss), I4 (one commit). A status that was made for another object (a backup, a copy) is not
acted upon, and neither is one of which a part is missing. Both are left to a person.
"""

from grctl.models.reasons import RunReason
from grctl.models.run import WorkflowRun
from grctl.models.salvage import unreadable_message
from grctl_operator.engine.decision import Announce, Decision, Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import Executions
from grctl_operator.engine.situation import Situation


def stop_restored(situation: Situation, draft: Draft) -> bool:
    """Leave a run whose status belongs to another object to a person."""
    for held in situation.executions.held:
        draft.before.append(Release(held.execution.id, False, "the run was restored"))
    text = (
        f"this status was made for the object {draft.status.for_uid}, which this one is not."
        " Delete the run and start it anew."
    )
    draft.change(message=f"{RunReason.RESTORED}: {text}")
    since = situation.run.metadata.creation_timestamp
    draft.before.append(Announce(RunReason.RESTORED, text, warning=True, since=since))
    return True


def is_broken(run: WorkflowRun) -> bool:
    """Return whether a part of the status is missing on which the next handler depends.

    A run that ends, by its deletion, its spec or its phase, does not need that part.
    """
    ends = run.deleting or run.spec.terminate or run.status.phase.finished
    return bool(run.unreadable) and not ends


def decide_broken(run: WorkflowRun, executions: Executions) -> Decision:
    """Leave a run with a broken status to a person.

    Its status is not written: that would remove for good what could not be read.
    """
    text = unreadable_message(run.unreadable or "")
    released = [
        Release(held.execution.id, False, "the run's status cannot be read")
        for held in executions.held
    ]
    since = run.metadata.creation_timestamp
    told = Announce(RunReason.UNREADABLE, text, warning=True, since=since)
    return Decision(before=(*released, told))


def is_restored(situation: Situation) -> bool:
    """Return whether the status was made for another object."""
    return situation.run.status.for_uid not in {None, situation.run.metadata.uid}
