"""The rules of grctl as a pure state machine: same input, same Decision. No I/O, no clock.

Read `decide.py` first; each rule has a file named after what it is about.
"""

from grctl_operator.engine.decide import decide, decide_refused
from grctl_operator.engine.decision import (
    Announce,
    AwaitClearWorker,
    AwaitWorker,
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
