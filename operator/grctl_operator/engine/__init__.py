"""The rules of grctl as a pure state machine: same input, same Decision. No I/O, no clock.

Read `decide.py` first, then the tables in `rules.py`. Each rule has a file named after its subject.
A `Situation` holds the facts, a `Draft` what the rules have decided so far.
"""

from grctl_operator.engine.decide import decide, decide_refused
from grctl_operator.engine.decision import (
    Announce,
    AwaitClearWorker,
    AwaitWorker,
    ConfirmRecords,
    Decision,
    Delete,
    Dispatch,
    Effect,
    Hold,
    KeepPlace,
    LetGo,
    ListEvents,
    Purge,
    ReadRun,
    Release,
    Settle,
    Trim,
)
from grctl_operator.engine.observation import (
    Event,
    Events,
    Executions,
    Held,
    Key,
    Listing,
    WorkerPresence,
)
from grctl_operator.engine.urgency import SHOWN_AFTER, Urgency, urgency_of_outcomes

__all__ = [
    "SHOWN_AFTER",
    "Announce",
    "AwaitClearWorker",
    "AwaitWorker",
    "ConfirmRecords",
    "Decision",
    "Delete",
    "Dispatch",
    "Effect",
    "Event",
    "Events",
    "Executions",
    "Held",
    "Hold",
    "KeepPlace",
    "Key",
    "LetGo",
    "ListEvents",
    "Listing",
    "Purge",
    "ReadRun",
    "Release",
    "Settle",
    "Trim",
    "Urgency",
    "WorkerPresence",
    "decide",
    "decide_refused",
    "urgency_of_outcomes",
]
