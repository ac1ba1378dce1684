"""Every interleaving that hypothesis can think of: operators, workers, senders, faults, clocks.

`machine_for(decide)` gives the state machine around an engine; the broken ones get the same.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl.models.run import WorkflowRun
from grctl_operator.engine import Decision
from grctl_operator.engine.dispatch import RETURNED
from tests.engine.actors import Answer, Operator, Worker, fail, refuse, succeed
from tests.engine.world import KEY, KNOWN_EVENTS, UNKNOWN_EVENT, World, require

WAIT = succeed(WaitForEvent())
TIMED = succeed(WaitForEvent(timeout=timedelta(seconds=2), timeout_step="give_up"))
STEP = succeed(NextStep(step="fulfill"))
COMPLETE = succeed(Complete(result="done"))
ANSWERS: tuple[Answer, ...] = (WAIT, WAIT, WAIT, TIMED, TIMED, TIMED, STEP, refuse)
RARE_ANSWERS: tuple[Answer, ...] = (*ANSWERS, fail, COMPLETE)
WISHES: tuple[dict[str, bool], ...] = (
    {"cancel": True},
    {"terminate": True},
    {"cancel": True, "terminate": True},
)
TOO_MANY_EVENTS = 8
SETTLING_ROUNDS = 400

Decide = Callable[..., Decision]
which = st.integers(0, 1)
rarely = st.integers(0, 3).map(lambda number: number == 0)
mostly = st.integers(0, 3).map(bool)
rounds = st.integers(1, 3)
answers = st.sampled_from(ANSWERS)
ALL = 1000
how_many = st.sampled_from([ALL, ALL, ALL, 0, 1, 2])
cuts = st.sampled_from(["", "", "break", "crash"])
seldom = st.integers(0, 9).map(lambda number: number == 0)


class Interleavings(RuleBasedStateMachine):
    """The rules; `decide` comes with the subclass."""

    decide: Decide
    climate: frozenset[str] = frozenset()
    """What may go wrong."""
    examples = 0
    """How many were begun."""

    @initialize(run=mostly, early=st.integers(0, 2), operators=st.integers(1, 2), to=which)
    def begin(self, run: bool, early: int, operators: int, to: int) -> None:
        type(self).examples += 1
        self.world = World()
        if "timeouts" in self.climate:
            self.world.run_timeout = timedelta(seconds=5)
        if "two operators" not in self.climate:
            operators = 1
        self.operators = [Operator(self.world, type(self).decide) for _ in range(operators)]
        self.workers = [Worker("w0"), Worker("w1")]
        for operator in self.operators:
            operator.finish_start()
        self.workers[0].connect(self.operator(0))
        self.workers[1].connect(self.operator(to))
        for _ in range(early):
            self.world.create_event(KNOWN_EVENTS[0])
        if run:
            self.world.create_run()

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
        if operator.now < operator.accepting_since + RETURNED:
            self.world.advance(RETURNED.total_seconds())
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
        """The same once more: rules have like weights, and without progress nothing can break."""
        self._all_go_on(**drawn)

    @rule(name=st.sampled_from((*KNOWN_EVENTS, KNOWN_EVENTS[0], UNKNOWN_EVENT)), bound=rarely)
    @precondition(lambda self: len(self.world.events) < TOO_MANY_EVENTS)
    def somebody_sends_an_event(self, name: str, bound: bool) -> None:
        run = self.world.run
        self.world.create_event(name, run.metadata.uid if bound and run else None)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 40.0]))
    @precondition(lambda self: "deadlines" in self.climate)
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    # races that are known to break naive rules, each as one rule: rare if left to chance

    @rule(index=which, seconds=st.sampled_from([0.0, 1.0, 3.0]), touch=st.booleans())
    @precondition(lambda self: "lags" in self.climate)
    def something_happens_unseen(self, index: int, seconds: float, touch: bool) -> None:
        """The watch of events lags, then an event comes or is touched, then time passes."""
        self.operator(index).events_lag = True
        waiting = [uid for uid, record in self.world.events.items() if record.waits]
        if touch and waiting and "touches" in self.climate:
            watched = all(operator.has_seen(waiting[0]) for operator in self.operators)
            self.world.touch_event(waiting[0], watched=watched)
        elif len(self.world.events) < TOO_MANY_EVENTS:
            self.world.create_event(KNOWN_EVENTS[0])
        self.world.advance(seconds if "deadlines" in self.climate else 0.0)

    @rule(index=which, seen=st.sampled_from([0, 1, ALL]), anew=rarely)
    @precondition(lambda self: len(self.operators) == 2)
    def an_operator_falls_behind_and_takes_over(self, index: int, seen: int, anew: bool) -> None:
        """Two events come; one operator sees the first of them and then no more events, the other
        handles both; then all workers turn to the first."""
        behind, ahead = self.operator(index), self.operator(index + 1)
        if not (behind.ready and ahead.ready) or len(self.world.events) > TOO_MANY_EVENTS:
            return
        self.world.create_run()
        behind.events_lag = ahead.events_lag = False
        behind.see_events(ALL)
        self.world.create_event(KNOWN_EVENTS[0])
        behind.see_events(seen)
        self.world.create_event(KNOWN_EVENTS[1])
        for worker in self.workers:
            worker.connect(ahead)
        self.world.advance(RETURNED.total_seconds())
        for _ in range(6):
            self._round(ahead, WAIT)
        if anew and "new runs" in self.climate:
            self.the_run_is_deleted_and_made_anew(index + 1, True, False, False)
        for worker in self.workers:
            worker.connect(behind)
        for events in (0, 0, 1, 0):
            self._round(behind, WAIT, events=events)

    @rule(index=which)
    @precondition(lambda self: "lags" in self.climate)
    def a_list_is_overtaken_by_the_watch(self, index: int) -> None:
        """A list is read, its events are handled and seen to be settled, then it arrives."""
        operator = self.operator(index)
        if not operator.ready or len(self.world.events) > TOO_MANY_EVENTS:
            return
        self.world.create_run()
        for worker in self.workers:
            worker.connect(operator)
        self.world.advance(RETURNED.total_seconds())
        operator.runs_lag = operator.events_lag = False
        for _ in range(4):
            self._round(operator, WAIT)
        self.world.create_event(KNOWN_EVENTS[0])
        self.world.create_event(KNOWN_EVENTS[1])
        operator.ask_for_list()
        operator.read_list()
        for _ in range(5):
            self._round(operator, WAIT, lists=False)
        operator.get_list()
        self._round(operator, WAIT, events=0, lists=False)
        self._round(operator, WAIT, events=0, lists=False)

    @rule(index=which, after=st.sampled_from([-0.5, 0.0, 0.5, 1.0, 1.5]), event=st.booleans())
    @precondition(lambda self: "deadlines" in self.climate)
    def a_deadline_comes(self, index: int, after: float, event: bool) -> None:
        """The clock reaches a wait's deadline, or nearly; an event comes just then."""
        wait = self.world.run.status.wait if self.world.run else None
        if wait is None or wait.deadline is None:
            return
        self.world.clock = max(self.world.clock, wait.deadline + timedelta(seconds=after))
        if event and len(self.world.events) <= TOO_MANY_EVENTS:
            self.world.create_event(KNOWN_EVENTS[0])
        self._round(self.operator(index), TIMED)

    @rule(index=which, to=which, ahead=st.lists(answers, min_size=3, max_size=3), cut=cuts)
    @precondition(lambda self: "ahead" in self.climate)
    def a_worker_works_ahead(self, index: int, to: int, ahead: list[Answer], cut: str) -> None:
        """Three events wait; the first outcome is being written while the worker goes on with the
        others, and then its connection may break, or the worker crash, with what came back known
        or not.
        """
        operator, worker = self.operator(to), self.workers[index]
        if not operator.ready or len(self.world.events) > TOO_MANY_EVENTS:
            return
        self._only_worker_of(operator, worker)
        for number in (0, 1, 0):
            self.world.create_event(KNOWN_EVENTS[number])
        for _ in range(3):
            self._round(operator, WAIT)
        self._answer(operator, worker, ahead)
        if cut:
            worker.crash() if cut == "crash" else worker.disconnect()
            operator.grace_passes(worker.name)
            worker.connect(operator)
        operator.finish_write(answer_lost=False)

    def _only_worker_of(self, operator: Operator, worker: Worker) -> None:
        self.world.create_run()
        operator.runs_lag = operator.events_lag = False
        for each in self.workers:
            each.disconnect()
        worker.connect(operator)
        self.world.advance(RETURNED.total_seconds())
        for _ in range(3):
            self._round(operator, WAIT)

    def _answer(self, operator: Operator, worker: Worker, answers: list[Answer]) -> None:
        """Have a worker bring back all that it has, one by one, while the operator decides."""
        for answer in answers:
            while worker.inbox:
                worker.take()
            for execution_id in list(worker.running)[:1]:
                worker.finish(execution_id, answer)
            worker.deliver()
            operator.begin_write()
            operator.reconcile(show=False)

    @rule(index=which, to=which, again=answers)
    @precondition(lambda self: "ahead" in self.climate)
    def a_worker_comes_back_with_what_was_repeated(
        self, index: int, to: int, again: Answer
    ) -> None:
        """Two outcomes are lost with a connection; another worker repeats the first, perhaps with
        another result; then the worker is back, and still holds both.
        """
        operator, worker = self.operator(to), self.workers[index]
        other = self.workers[1 - index]
        if not operator.ready or len(self.world.events) > TOO_MANY_EVENTS:
            return
        self._only_worker_of(operator, worker)
        for number in (0, 1, 0):
            self.world.create_event(KNOWN_EVENTS[number])
        self._round(operator, WAIT)
        self.an_operator_goes_on(self.operators.index(operator), ALL, ALL, True, True)
        for _ in range(3):
            worker.take()
        for execution_id in list(worker.running):
            worker.finish(execution_id, WAIT)
        worker.disconnect()
        operator.grace_passes(worker.name)
        other.connect(operator)
        for _ in range(2):
            self._round(operator, again)
        worker.connect(operator)
        worker.deliver()
        self.an_operator_goes_on(self.operators.index(operator), ALL, ALL, True, True)

    @rule(index=which)
    @precondition(lambda self: "workers" in self.climate)
    def an_outcome_is_repeated(self, index: int) -> None:
        self.workers[index].repeat()

    @rule(index=which, seen=how_many)
    @precondition(lambda self: "touches" in self.climate)
    def an_event_is_touched_and_handled_before_that_is_seen(self, index: int, seen: int) -> None:
        """Two events are seen, one is touched, both are handled, then the watch shows the touch."""
        operator = self.operator(index)
        if not operator.ready or len(self.world.events) > TOO_MANY_EVENTS:
            return
        uid = self.world.create_event(KNOWN_EVENTS[0])
        self.world.create_event(KNOWN_EVENTS[1])
        operator.events_lag = False
        operator.see_events(ALL)
        self.world.touch_event(uid, watched=all(each.has_seen(uid) for each in self.operators))
        for worker in self.workers:
            worker.connect(operator)
        self.world.advance(RETURNED.total_seconds())
        for _ in range(5):
            self._round(operator, WAIT, events=0)
        operator.see_events(seen)
        self._round(operator, WAIT, events=0)

    # people

    @rule()
    def somebody_creates_the_run(self) -> None:
        self.world.create_run()

    @rule(index=which, sure=rarely, away=st.booleans(), addressed=st.booleans())
    @precondition(lambda self: "new runs" in self.climate)
    def the_run_is_deleted_and_made_anew(
        self, index: int, sure: bool, away: bool, addressed: bool
    ) -> None:
        """An operator that sees all lets the old one go. Workers may be away meanwhile, and an
        event that names the new run may be seen before the run is.
        """
        operator = self.operator(index)
        if not sure or not operator.ready:
            return
        for worker in self.workers if away else ():
            worker.take()
            worker.disconnect()
        self.world.delete_run()
        operator.runs_lag = operator.events_lag = False
        for _ in range(5):
            self.an_operator_goes_on(index, ALL, ALL, True, True)
        self.world.create_run()
        run = self.world.run
        if addressed and run and len(self.world.events) <= TOO_MANY_EVENTS:
            self.world.create_event(KNOWN_EVENTS[0], run.metadata.uid)
            self.an_operator_goes_on(index, 0, ALL, True, True)
        for worker in self.workers if away else ():
            worker.connect(operator)

    @rule(what=st.sampled_from(["delete", "delete", "cancel", "terminate"]), sure=seldom)
    @precondition(lambda self: "ends" in self.climate)
    def somebody_ends_the_run(self, what: str, sure: bool) -> None:
        if sure and what == "delete":
            self.world.delete_run()
        elif sure:
            self.world.change_spec(**{what: True})

    @rule(
        index=which,
        wish=st.sampled_from(WISHES),
        answer=answers,
        outcome=st.booleans(),
        back=rarely,
    )
    @precondition(lambda self: "wishes" in self.climate)
    def somebody_wishes_the_end_while_a_handler_runs(
        self, index: int, wish: dict[str, bool], answer: Answer, outcome: bool, back: bool
    ) -> None:
        """A handler is with a worker, or comes back just then; the wish may be taken back."""
        operator = self.operator(index)
        if not operator.ready or len(self.world.events) > TOO_MANY_EVENTS:
            return
        self._round(operator, WAIT)
        self.world.create_event(KNOWN_EVENTS[0])
        self.an_operator_goes_on(index, ALL, ALL, True, True)
        self.world.change_spec(**wish)
        for number, worker in enumerate(self.workers):
            if outcome and worker.operator is operator:
                self.a_worker_goes_on(number, answer)
        self.an_operator_goes_on(index, ALL, ALL, True, True)
        if back:
            self.world.change_spec(cancel=None, terminate=None)
            self.an_operator_goes_on(index, ALL, ALL, True, True)

    @rule(keep=st.sampled_from([None, 0, 1, 2]), ttl=st.sampled_from([None, 0, 2]), end=rarely)
    @precondition(lambda self: "retention" in self.climate)
    def somebody_says_what_is_kept(self, keep: int | None, ttl: int | None, end: bool) -> None:
        self.world.change_spec(
            keep_events=keep, ttl_seconds_after_finished=ttl, terminate=end or None
        )

    @rule(data=st.data(), withdraw=seldom)
    @precondition(lambda self: "touches" in self.climate)
    @precondition(lambda self: any(each.waits for each in self.world.events.values()))
    def somebody_touches_an_event(self, data: st.DataObject, withdraw: bool) -> None:
        waiting = [uid for uid, record in self.world.events.items() if record.waits]
        uid = data.draw(st.sampled_from(waiting))
        watched = all(operator.has_seen(uid) for operator in self.operators)
        if withdraw:
            self.world.delete_event(uid)
        else:
            self.world.touch_event(uid, watched=watched)

    @rule(index=which)
    @precondition(lambda self: "retention" in self.climate)
    def events_are_removed_before_the_last_is_settled(self, index: int) -> None:
        """A run that keeps nothing ends with an event that waits; settling takes its time."""
        if len(self.world.events) <= TOO_MANY_EVENTS:
            self.world.create_event(KNOWN_EVENTS[0])
        self.world.change_spec(keep_events=0, terminate=True)
        for _ in range(4):
            self.an_operator_goes_on(index, ALL, ALL, False, True)

    # operators, step by step

    @rule(index=which, show=st.booleans(), write=st.booleans())
    def an_operator_reconciles(self, index: int, show: bool, write: bool) -> None:
        self.operator(index).reconcile(show=show)
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
        """As when an operator takes over, or its revision has expired; a step at a time."""
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

    # clocks

    @rule(index=which, seconds=st.sampled_from([0.0, 0.5, 1.0, 10.0]), back=seldom)
    @precondition(lambda self: "clocks" in self.climate)
    def a_clock_jumps(self, index: int, seconds: float, back: bool) -> None:
        self.operator(index).lag = timedelta(seconds=seconds)
        if back and seconds == 10.0:
            self.world.advance(-5.0)
            self.world.clock_went_back = True

    @invariant()
    def places_are_kept(self) -> None:
        """Rule 2: who watched an event keeps its place, whoever touches it."""
        for operator in getattr(self, "operators", ()):
            for event in operator.cache.view(KEY):
                record = self.world.events[event.uid]
                moved = event.place != record.created_revision
                require(not moved or record.may_move, f"2: {event.uid} has a place of its own")

    # the end: no more faults, and everything settles

    def teardown(self) -> None:
        """Liveness: when faults stop, everything settles."""
        if not hasattr(self, "world"):
            return
        self._calm_down()
        for _ in range(SETTLING_ROUNDS):
            self._go_on()
            if self._is_settled():
                break
        self._check_settled()

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
            self.world.advance(1.0)

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
        return self.world.revision, running, sum(operator.woken for operator in self.operators)

    def _is_settled(self) -> bool:
        return not self._unsettled() and not self._unfinished() and not self.world.surplus()

    def _unsettled(self) -> list[str]:
        run = self.world.run
        waiting = [record for record in self.world.events.values() if record.waits]
        if run is None:
            waiting = [record for record in waiting if record.item["spec"].get("runUid")]
        return [record.uid for record in waiting]

    def _unfinished(self) -> str | None:
        run = self.world.run
        if run is None:
            return None
        if run.status.phase.finished:
            return self._still_there(run)
        wait = run.status.wait
        unfinished = {
            "the run is deleted and still there": run.deleting,
            "the run was to end and goes on": run.spec.cancel or run.spec.terminate,
            "the run never timed out": run.spec.workflow.timeout is not None,
            "the run never started": run.status.commits == 0,
            "its step never ended": run.status.step is not None,
            "the wait never timed out": wait is not None and wait.deadline is not None,
        }
        return next((text for text, holds in unfinished.items() if holds), None)

    def _still_there(self, run: WorkflowRun) -> str | None:
        if run.deleting:
            return "the run is deleted and still there"
        expires = run.spec.ttl_seconds_after_finished is not None
        return "the finished run outlives its time" if expires else None

    def _check_settled(self) -> None:
        require(not self._unsettled(), f"1: never settled: {self._unsettled()}")
        require(not self._unfinished(), f"6: {self._unfinished()}")
        require(not self.world.surplus(), f"K: never removed: {self.world.surplus()}")


CLIMATES: dict[str, frozenset[str]] = {
    "no faults but time": frozenset({"deadlines"}),
    "workers come and go": frozenset({"workers"}),
    "a worker goes ahead": frozenset({"workers", "ahead", "deadlines"}),
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
            "clocks",
        }
    ),
}
"""Few things that go wrong together find their traces sooner than all at once."""


def machine_for(decide: Decide, climate: str) -> type[Interleavings]:
    """Give the state machine around an engine, in one climate."""
    members = {"decide": staticmethod(decide), "climate": CLIMATES[climate], "examples": 0}
    return type("Machine", (Interleavings,), members)
