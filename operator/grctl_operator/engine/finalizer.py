"""The finalizer: it keeps a deleted run in the API until its events have ended (see `ending`).

I1 (no loss). The finalizer is there before the first commit, so a deleted run cannot be taken for
one that was not created yet.
"""

from grctl_operator.engine.decision import Hold
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation


def hold(situation: Situation, draft: Draft) -> None:
    """Add the finalizer if it is missing: commits and the end of a finished run wait for it."""
    if not situation.run.held:
        draft.before.append(Hold())
