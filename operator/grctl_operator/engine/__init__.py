"""The rules of grctl as a pure state machine: same input, same Decision. No I/O, no clock.

Read `decide.py` first; each rule has a file named after what it is about.
"""

from grctl_operator.engine.ahead import may_wait
from grctl_operator.engine.decide import decide, decide_ahead, decide_refused
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

__all__ = [
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
    "WorkerPresence",
    "decide",
    "decide_ahead",
    "decide_refused",
    "may_wait",
]
