"""The outbox: events that a commit consumed, until their own status says so.

Rules 1 and 6. After a crash `status.settled` says what is still to be settled. Settling twice
writes the same twice, so it is asked for until the event cache knows.
"""

from grctl_operator.engine.decision import Settle
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation


def settle_consumed(situation: Situation, draft: Draft) -> None:
    """Settle what the written status says was consumed and the cache still shows waiting."""
    for entry in situation.run.status.settled:
        if situation.events.find(entry.uid):
            draft.before.append(Settle(entry, situation.run.metadata.uid))
