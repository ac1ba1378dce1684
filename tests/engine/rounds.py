"""The usual actions of the machine: operators, workers and senders, a step or a round at a time.

And how it ends: the faults stop, and then everything must settle.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl.models.run import WorkflowRun
from grctl_operator.engine import Decision
from grctl_operator.engine.dispatch import RETURN_TIME
from tests.engine.api_server import KEY, ApiServer
from tests.engine.checks import KNOWN_EVENTS, UNKNOWN_EVENT, require
from tests.engine.operators import Operator
from tests.engine.task_world import TaskWorld
from tests.engine.workers import (
    CATALOGUE,
    OTHER_VERSION,
    Answer,
    Worker,
    fail,
    refuse,
    succeed,
)

WAIT = succeed(WaitForEvent())
TIMED = succeed(WaitForEvent(timeout=timedelta(seconds=2), timeout_step="give_up"))
STEP = succeed(NextStep(step="fulfill"))
COMPLETE = succeed(Complete(result="done"))
ANSWERS: tuple[Answer, ...] = (WAIT, WAIT, WAIT, TIMED, TIMED, TIMED, STEP, refuse)
RARE_ANSWERS: tuple[Answer, ...] = (*ANSWERS, fail, COMPLETE)
TOO_MANY_EVENTS = 8
SETTLING_ROUNDS = 400

RUN_DEADLINE = "the run never timed out"
WAIT_DEADLINE = "the wait never timed out"
EXPIRY = "the finished run outlives its time"
DEADLINES = frozenset({RUN_DEADLINE, WAIT_DEADLINE, EXPIRY})
"""What waits for a moment of the API server's clock, and so for a clock that stepped back."""

Decide = Callable[..., Decision]
which = st.integers(0, 1)
rarely = st.integers(0, 3).map(lambda number: number == 0)
mostly = st.integers(0, 3).map(bool)
rounds = st.integers(1, 3)
answers = st.sampled_from(ANSWERS)
ALL = 1000
how_many = st.sampled_from([ALL, ALL, ALL, 0, 1, 2])
seldom = st.integers(0, 9).map(lambda number: number == 0)


class Rounds(RuleBasedStateMachine):
    """The rules that every machine has; a subclass brings `decide`."""

    decide: Decide
    climate: frozenset[str] = frozenset()
    """The faults that may happen."""
    examples = 0
    """How many examples were begun."""

    @initialize(run=mostly, early=st.integers(0, 2), operators=st.integers(1, 2), to=which)
    def begin(self, run: bool, early: int, operators: int, to: int) -> None:
        type(self).examples += 1
        self.server = ApiServer()
        self.server.chooses = "choices" in self.climate
        if "tasks" in self.climate:
            self.server.tasks = TaskWorld(self.server)
        if "timeouts" in self.climate:
            self.server.run_timeout = timedelta(seconds=5)
        if "two operators" not in self.climate:
            operators = 1
        self.operators = [Operator(self.server, type(self).decide) for _ in range(operators)]
        self.workers = [Worker("w0"), Worker("w1")]
        for operator in self.operators:
            operator.finish_start()
        self.workers[0].connect(self.operator(0))
        self.workers[1].connect(self.operator(to))
        for _ in range(early):
            self.server.create_event(KNOWN_EVENTS[0])
        if run:
            self.server.create_run()

    def operator(self, index: int) -> Operator:
        return self.operators[index % len(self.operators)]

    # what mostly happens: a round of an operator, of a worker, an event; parts of it may be missing

    @rule(index=which, runs=how_many, events=how_many, settles=mostly, lists=mostly)
    def an_operator_goes_on(
        self, index: int, runs: int, events: int, settles: bool, lists: bool
    ) -> None:
        operator = self.operator(index)
        operator.see_runs(runs)
        operator.see_events(events)
        if lists:
            operator.read_list()
            operator.get_list()
        operator.begin_write()
        operator.finish_write(answer_lost=False)
        operator.reconcile(show=False)
        operator.begin_write()
        operator.finish_write(answer_lost=False)
        operator.trim_all()
        if settles:
            operator.settle_all()

    @rule(index=which, answer=answers)
    def a_worker_goes_on(self, index: int, answer: Answer) -> None:
        worker = self.workers[index]
        worker.take()
        for execution_id in list(worker.running):
            worker.finish(execution_id, answer)
        worker.deliver()

    def _all_go_on(
        self, *, index: int, to: int, answer: Answer, events: int, settles: bool, rounds: int
    ) -> None:
        worker = self.workers[index]
        operator = worker.operator or self.operator(to)
        if not operator.ready:
            operator.finish_start()
        if worker.operator is None:
            worker.connect(operator)
        if operator.now < operator.accepting_since + RETURN_TIME:
            self.server.advance(RETURN_TIME.total_seconds())
        for each in self.workers:
            operator.grace_passes(each.name)
        for _ in range(rounds):
            self._round(operator, answer, events=events, settles=settles)
        self.an_operator_goes_on(self.operators.index(operator), ALL, events, settles, True)

    def _round(
        self,
        operator: Operator,
        answer: Answer,
        *,
        events: int = ALL,
        settles: bool = True,
        lists: bool = True,
    ) -> None:
        self.an_operator_goes_on(self.operators.index(operator), ALL, events, settles, lists)
        for number, each in enumerate(self.workers):
            if each.operator is operator:
                self.a_worker_goes_on(number, answer)

    @rule(index=which, to=which, answer=answers, events=how_many, settles=mostly, rounds=rounds)
    def all_go_on(self, **drawn: Any) -> None:
        self._all_go_on(**drawn)

    @rule(index=which, to=which, answer=answers, events=how_many, settles=mostly, rounds=rounds)
    def all_go_on_again(self, **drawn: Any) -> None:
        """Play the round twice as often: without progress nothing can break."""
        self._all_go_on(**drawn)

    @rule(name=st.sampled_from((*KNOWN_EVENTS, KNOWN_EVENTS[0], UNKNOWN_EVENT)), bound=rarely)
    @precondition(lambda self: len(self.server.events) < TOO_MANY_EVENTS)
    def somebody_sends_an_event(self, name: str, bound: bool) -> None:
        run = self.server.run
        self.server.create_event(name, run.metadata.uid if bound and run else None)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 40.0]))
    @precondition(lambda self: "deadlines" in self.climate)
    def time_passes(self, seconds: float) -> None:
        self.server.advance(seconds)

    # operators, step by step

    @rule(index=which, show=st.booleans(), write=st.booleans(), wait=st.booleans())
    def an_operator_reconciles(self, index: int, show: bool, write: bool, wait: bool) -> None:
        self.operator(index).reconcile(show=show, wait=wait)
        if write:
            self.operator(index).begin_write()

    @rule(index=which, lost=seldom, listing=st.booleans(), settle=st.booleans())
    def an_operator_gets_answers(self, index: int, lost: bool, listing: bool, settle: bool) -> None:
        operator = self.operator(index)
        operator.begin_write()
        operator.finish_write(answer_lost=lost)
        if listing:
            operator.get_list()
        if settle:
            operator.get_settle_answer(lost=lost)

    @rule(index=which, listing=st.booleans(), settle=st.booleans())
    def an_operators_requests_arrive(self, index: int, listing: bool, settle: bool) -> None:
        operator = self.operator(index)
        if listing:
            operator.read_list()
        if settle and operator.settles:
            operator.write_settle(min(operator.settles))

    @rule(index=which, runs=st.booleans(), events=st.booleans())
    @precondition(lambda self: "lags" in self.climate)
    def a_watch_lags(self, index: int, runs: bool, events: bool) -> None:
        self.operator(index).runs_lag = runs
        self.operator(index).events_lag = events

    @rule(index=which, begin=seldom, read=st.booleans(), get=st.booleans())
    @precondition(lambda self: "lags" in self.climate)
    def a_watch_begins_anew(self, index: int, begin: bool, read: bool, get: bool) -> None:
        """Begin a watch anew in steps, as after a takeover or an expired revision."""
        operator = self.operator(index)
        if begin:
            operator.relist()
        if read:
            operator.read_relist()
        if get:
            operator.get_relist()

    @rule(index=which, sure=seldom, slowly=st.booleans())
    @precondition(lambda self: "crashes" in self.climate)
    def an_operator_crashes(self, index: int, sure: bool, slowly: bool) -> None:
        if sure:
            self.operator(index).start()
        if sure and not slowly:
            self.operator(index).finish_start()

    @rule(index=which)
    @precondition(lambda self: not all(operator.ready for operator in self.operators))
    def an_operator_lists_events_at_start(self, index: int) -> None:
        if not self.operator(index).ready:
            self.operator(index).finish_start()

    # workers, step by step

    @rule(index=which)
    @precondition(lambda self: not all(each.all_back for each in self.operators))
    def an_operator_believes_that_all_workers_are_back(self, index: int) -> None:
        """Report all workers as back. It may be wrong: others came instead (see RETURN_TIME)."""
        operator = self.operator(index)
        operator.all_back = operator.woken = True

    @rule(index=which, to=which, what=st.sampled_from(["connect", "connect", "break", "crash"]))
    @precondition(lambda self: "workers" in self.climate)
    def a_worker_comes_or_goes(self, index: int, to: int, what: str) -> None:
        worker = self.workers[index]
        match what:
            case "connect":
                worker.connect(self.operator(to))
            case "break":
                worker.disconnect()
            case "crash":
                worker.crash()

    @rule(index=which, of=which)
    @precondition(lambda self: "workers" in self.climate)
    def a_worker_is_given_up(self, index: int, of: int) -> None:
        self.operator(of).grace_passes(self.workers[index].name)

    @rule(index=which, answer=st.sampled_from(RARE_ANSWERS), deliver=st.booleans())
    @precondition(lambda self: "workers" in self.climate)
    def a_worker_takes_or_finishes(self, index: int, answer: Answer, deliver: bool) -> None:
        worker = self.workers[index]
        if worker.running:
            worker.finish(next(iter(worker.running)), answer)
        worker.take()
        if deliver and worker.operator:
            worker.operator.get_outcome(worker)

    @rule(index=which, to=which, other=st.booleans(), slowly=st.booleans())
    @precondition(lambda self: "versions" in self.climate)
    def a_worker_gets_another_version(self, index: int, to: int, other: bool, slowly: bool) -> None:
        """Roll out or roll back: a process ends, and one with other handlers comes."""
        worker = self.workers[index]
        worker.crash()
        worker.catalogue = OTHER_VERSION if other else CATALOGUE
        if not slowly:
            worker.connect(self.operator(to))

    # clocks

    @rule(index=which, seconds=st.sampled_from([0.0, 0.5, 1.0, 10.0]), back=seldom)
    @precondition(lambda self: "clocks" in self.climate)
    def a_clock_jumps(self, index: int, seconds: float, back: bool) -> None:
        self.operator(index).lag = timedelta(seconds=seconds)
        if back and seconds == 10.0:
            self.server.advance(-5.0)
            self.server.clock_went_back = True

    @invariant()
    def places_are_kept(self) -> None:
        """Check I2 (one order): an operator keeps the place of each event that it saw."""
        for operator in getattr(self, "operators", ()):
            for event in operator.cache.get_view(KEY):
                record = self.server.events[event.uid]
                moved = event.place != record.created_revision
                require(
                    not moved or record.may_move,
                    f"I2 (one order): {event.uid} has a place of its own",
                )

    # the end: no more faults, and everything settles

    def teardown(self) -> None:
        """Check that everything settles once the faults stop."""
        if not hasattr(self, "server"):
            return
        self._calm_down()
        if self.server.behind:
            self._settle(but=DEADLINES)
            self.server.advance(self.server.behind.total_seconds())
        self._settle()

    def _settle(self, but: frozenset[str] = frozenset()) -> None:
        """Go on until everything has settled, except what waits for a moment of the clock."""
        for _ in range(SETTLING_ROUNDS):
            self._go_on()
            if self._is_settled(but):
                break
        self._check_settled(but)

    def _calm_down(self) -> None:
        del self.operators[1:]  # the Lease: two that see different workers would go on arguing
        for operator in self.operators:
            operator.lag = timedelta()
            operator.runs_lag = operator.events_lag = False
            operator.begin_write()
            operator.finish_write(answer_lost=False)
            operator.read_relist()
            operator.get_relist()
            if not operator.ready:
                operator.finish_start()
        for worker in self.workers:
            if worker.catalogue is not CATALOGUE:
                worker.crash()
                worker.catalogue = CATALOGUE
            worker.connect(self.operators[0])

    def _go_on(self) -> None:
        before = self._progress()
        for operator in self.operators:
            self._serve(operator)
        for worker in self.workers:
            while worker.inbox:
                worker.take()
            for execution_id in list(worker.running):
                worker.finish(execution_id, WAIT)
            worker.deliver()
        if self._progress() == before:
            self._act_as_people()
            self.server.advance(1.0)

    def _act_as_people(self) -> None:
        """Retry what is held, and send what a wait takes that leaves other events waiting."""
        run = self.server.run
        if run is None or run.status.phase.finished:
            return
        if run.status.step is not None and run.status.step.stall is not None:
            self.server.change_spec(retry=(run.spec.retry or 0) + 1)
        wait = run.status.wait
        if wait is not None and wait.events is not None and self._unsettled():
            self.server.create_event(wait.events[0])

    def _serve(self, operator: Operator) -> None:
        operator.see_runs(ALL)
        operator.see_events(ALL)
        operator.settle_all()
        operator.trim_all()
        operator.read_list()
        operator.get_list()
        operator.reconcile(show=True)
        operator.begin_write()
        operator.finish_write(answer_lost=False)

    def _progress(self) -> tuple[int, int, int]:
        running = sum(len(worker.running) + len(worker.inbox) for worker in self.workers)
        return self.server.revision, running, sum(operator.woken for operator in self.operators)

    def _is_settled(self, but: frozenset[str]) -> bool:
        done = not self._unsettled() or WAIT_DEADLINE in but
        return done and not self._unfinished(but) and not self.server.surplus()

    def _unsettled(self) -> list[str]:
        run = self.server.run
        waiting = [record for record in self.server.events.values() if record.waits]
        if run is None:
            waiting = [record for record in waiting if record.item["spec"].get("runUid")]
        return [record.uid for record in waiting]

    def _unfinished(self, but: frozenset[str]) -> str | None:
        run = self.server.run
        if run is None:
            return None
        if run.status.phase.finished:
            return self._still_there(run, but)
        wait = run.status.wait
        unfinished = {
            "the run is deleted and still there": run.deleting,
            "the run was to end and goes on": run.spec.cancel or run.spec.terminate,
            RUN_DEADLINE: run.spec.workflow.timeout is not None,
            "the run never started": run.status.commits == 0,
            "its step never ended": run.status.step is not None,
            WAIT_DEADLINE: wait is not None and wait.deadline is not None,
        }
        found = (text for text, holds in unfinished.items() if holds and text not in but)
        return next(found, None)

    def _still_there(self, run: WorkflowRun, but: frozenset[str]) -> str | None:
        if run.deleting:
            return "the run is deleted and still there"
        expires = run.spec.ttl_seconds_after_finished is not None
        return EXPIRY if expires and EXPIRY not in but else None

    def _check_settled(self, but: frozenset[str]) -> None:
        if WAIT_DEADLINE not in but:
            require(not self._unsettled(), f"I1 (no loss): never settled: {self._unsettled()}")
        require(not self._unfinished(but), f"I6 (level-triggered): {self._unfinished(but)}")
        require(not self.server.surplus(), f"retention: never removed: {self.server.surplus()}")
