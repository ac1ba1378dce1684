"""The state machine of hypothesis: operators, workers, senders, faults and clocks, interleaved.

`machine_for(decide, climate)` returns the machine around an engine. Broken engines get the same.
"""

from datetime import timedelta
from typing import Any

from hypothesis.stateful import rule

from tests.engine.checks import KNOWN_EVENTS
from tests.engine.races import Races
from tests.engine.rounds import ALL, Decide, seldom
from tests.engine.task_races import TaskRaces

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
    "waits choose": frozenset({"choices", "ahead", "workers", "deadlines"}),
    "waits choose, and handlers call tasks": frozenset(
        {"choices", "ahead", "workers", "crashes", "tasks"}
    ),
    "handlers fail and are held": frozenset(
        {"failures", "tasks", "workers", "crashes", "deadlines"}
    ),
    "handlers call tasks": frozenset({"tasks", "workers", "deadlines"}),
    "handlers call tasks, and operators crash": frozenset({"tasks", "workers", "ahead", "crashes"}),
    "handlers call tasks beside a second operator": frozenset(
        {"tasks", "workers", "two operators", "lags"}
    ),
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
"""The kinds of faults that a search combines. A few at a time are found sooner than all at once."""


class SteppingBack(Races):
    """The races with a clock that steps back: a class of its own, as an unused rule costs time."""

    @rule(sure=seldom)
    def the_api_servers_clock_steps_back(self, sure: bool) -> None:
        """Set the clock back by an hour: no wait for a length of time may become longer by it."""
        if sure:
            self._step_back()

    @rule()
    def the_clock_steps_back_while_an_attempt_waits(self) -> None:
        """Lose a handler several times, then set the clock back while its back-off lasts."""
        operator = self.operator(0)
        if not self._may_play(operator):
            return
        self.server.create_event(KNOWN_EVENTS[0])
        for _ in range(3):
            self._all_serve(operator)
            self.an_operator_goes_on(0, ALL, ALL, True, True)
            for worker in self.workers:
                worker.crash()
                operator.grace_passes(worker.name)
            self.an_operator_goes_on(0, ALL, ALL, True, True)
        self._step_back()

    def _step_back(self) -> None:
        self.server.step_back(HOUR)
        for operator in self.operators:
            operator.on_jump(-HOUR)


def machine_for(decide: Decide, climate: str) -> type[Races]:
    """Return the state machine around an engine, in one climate."""
    members: dict[str, Any] = {
        "decide": staticmethod(decide),
        "climate": CLIMATES[climate],
        "examples": 0,
    }
    extra = {"steps back": SteppingBack, "tasks": TaskRaces}
    bases = tuple(base for fault, base in extra.items() if fault in CLIMATES[climate])
    return type("Machine", bases or (Races,), members)
