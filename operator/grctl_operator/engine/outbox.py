"""The outbox: events that a commit consumed, until their own status says so.

I1 (no loss), I6 (level-triggered). After a crash, `status.settled` says what is still to be
settled. Settling twice writes the same status twice. So it is repeated until the event cache shows
that the event is settled.
"""

from grctl_operator.engine.decision import Settle
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation


def settle_consumed(situation: Situation, draft: Draft) -> None:
    """Settle the events of the outbox that the event cache still shows as waiting."""
    for entry in situation.run.status.settled:
        if situation.events.find(entry.uid):
            draft.before.append(Settle(entry, situation.run.metadata.uid))
