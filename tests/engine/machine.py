"""Every interleaving that hypothesis can think of: operators, workers, senders, faults, clocks.

`machine_for(decide)` gives the state machine around an engine; the broken ones get the same.
"""

from tests.engine.races import Races
from tests.engine.rounds import Decide

CLIMATES: dict[str, frozenset[str]] = {
    "no faults but time": frozenset({"deadlines"}),
    "workers come and go": frozenset({"workers"}),
    "a worker goes ahead": frozenset({"workers", "ahead", "deadlines"}),
    "versions come and go": frozenset({"workers", "versions", "deadlines", "crashes", "ahead"}),
    "two operators that lag": frozenset({"two operators", "lags"}),
    "runs are made anew": frozenset({"new runs", "workers"}),
    "runs are made anew beside a second operator": frozenset({"new runs", "two operators", "lags"}),
    "events are touched": frozenset({"touches", "lags"}),
    "deadlines, lags and clocks": frozenset({"deadlines", "lags", "clocks"}),
    "people end runs": frozenset({"ends", "deadlines", "lags"}),
    "people wish the end of runs": frozenset({"wishes", "timeouts", "deadlines", "workers"}),
    "little is kept": frozenset({"retention", "deadlines", "lags", "crashes"}),
    "crashes": frozenset({"crashes", "workers", "deadlines"}),
    "everything": frozenset(
        {
            "two operators",
            "deadlines",
            "new runs",
            "ends",
            "touches",
            "lags",
            "crashes",
            "workers",
            "wishes",
            "retention",
            "ahead",
            "versions",
            "clocks",
        }
    ),
}
"""Few things that go wrong together find their traces sooner than all at once."""


def machine_for(decide: Decide, climate: str) -> type[Races]:
    """Give the state machine around an engine, in one climate."""
    members = {"decide": staticmethod(decide), "climate": CLIMATES[climate], "examples": 0}
    return type("Machine", (Races,), members)
