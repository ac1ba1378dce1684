"""Every interleaving that hypothesis can think of: operators, workers, senders, faults, clocks.

`machine_for(decide)` gives the state machine around an engine; the broken ones get the same.
"""

from datetime import timedelta
from typing import Any

from hypothesis.stateful import rule

from tests.engine.ledger import KNOWN_EVENTS
from tests.engine.races import Races
from tests.engine.rounds import ALL, Decide, seldom

HOUR = timedelta(hours=1)

CLIMATES: dict[str, frozenset[str]] = {
    "no faults but time": frozenset({"deadlines"}),
    "workers come and go": frozenset({"workers"}),
    "a worker goes ahead": frozenset({"workers", "ahead", "deadlines"}),
    "versions come and go": frozenset({"workers", "versions", "deadlines", "crashes", "ahead"}),
    "versions come and go, and operators": frozenset(
        {"workers", "versions", "crashes", "deadlines"}
    ),
    "two operators that lag": frozenset({"two operators", "lags"}),
    "runs are made anew": frozenset({"new runs", "workers"}),
    "runs are made anew beside a second operator": frozenset({"new runs", "two operators", "lags"}),
    "events are touched": frozenset({"touches", "lags"}),
    "deadlines, lags and clocks": frozenset({"deadlines", "lags", "clocks"}),
    "the clock steps back": frozenset({"steps back", "deadlines", "workers"}),
    "the clock steps back while runs are made anew": frozenset(
        {"steps back", "new runs", "two operators", "lags"}
    ),
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
            "steps back",
        }
    ),
}
"""Few things that go wrong together find their traces sooner than all at once."""


class SteppingBack(Races):
    """A machine of its own: a rule that is there and never fits makes the search longer."""

    @rule(sure=seldom)
    def the_api_servers_clock_steps_back(self, sure: bool) -> None:
        """By an hour: whoever waits for a length of time must not wait for that hour."""
        if sure:
            self._step_back()

    @rule()
    def the_clock_steps_back_while_an_attempt_waits(self) -> None:
        """What was lost again and again is tried again later: by then an hour is to come again."""
        operator = self.operator(0)
        if not self._may_play(operator):
            return
        self.world.create_event(KNOWN_EVENTS[0])
        for _ in range(3):
            self._all_serve(operator)
            self.an_operator_goes_on(0, ALL, ALL, True, True)
            for worker in self.workers:
                worker.crash()
                operator.grace_passes(worker.name)
            self.an_operator_goes_on(0, ALL, ALL, True, True)
        self._step_back()

    def _step_back(self) -> None:
        self.world.step_back(HOUR)
        for operator in self.operators:
            operator.on_jump(-HOUR)


def machine_for(decide: Decide, climate: str) -> type[Races]:
    """Give the state machine around an engine, in one climate."""
    members: dict[str, Any] = {
        "decide": staticmethod(decide),
        "climate": CLIMATES[climate],
        "examples": 0,
    }
    base = SteppingBack if "steps back" in CLIMATES[climate] else Races
    return type("Machine", (base,), members)
