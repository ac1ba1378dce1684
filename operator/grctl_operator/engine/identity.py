"""Whose status this is, and that nobody deletes the run under us.

Rules 1 and 4. A status made for another object (a backup, a copy) is not acted upon. A run is held
by our finalizer before its first commit, so "deleted" and "not yet created" cannot be confused.
"""

from grctl.models.reasons import RunReason
from grctl_operator.engine.decision import Announce, Hold, Release
from grctl_operator.engine.draft import Draft


def stop_restored(draft: Draft) -> bool:
    """Do nothing about a run whose status belongs to another object, until a person decides."""
    if not is_restored(draft) or draft.run.deleting:
        return False
    for held in draft.executions.held:
        draft.before.append(Release(held.execution.id, False, "the run was restored"))
    text = (
        f"this status was made for the object {draft.status.for_uid}, which this one is not."
        " Delete the run and start it anew."
    )
    draft.change(message=f"{RunReason.RESTORED}: {text}")
    since = draft.run.metadata.creation_timestamp
    draft.before.append(Announce(RunReason.RESTORED, text, warning=True, since=since))
    return True


def is_restored(draft: Draft) -> bool:
    """Say whether the status was made for another object."""
    return draft.run.status.for_uid not in {None, draft.run.metadata.uid}


def hold(draft: Draft) -> bool:
    """Add the finalizer where it is missing; commits wait for it."""
    if not draft.run.held:
        draft.before.append(Hold())
    return False
