"""Races of handlers with tasks: two live attempts, operators that are killed, steps in a row."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from grctl_operator.engine.dispatch import RETURN_TIME
from grctl_operator.engine.inbox import RECONNECT_TIME
from tests.engine.checks import KNOWN_EVENTS, UNKNOWN_EVENT
from tests.engine.races import Races
from tests.engine.rounds import STEP, WAIT, answers, mostly, rounds, which
from tests.engine.workers import Answer, Worker, fail_and_retry

few = st.integers(0, 2)
orders = st.lists(st.booleans(), min_size=2, max_size=6)
"""Which of two workers' messages arrives next."""


class TaskRaces(Races):
    """The rules of the machine that each play one race of tasks."""

    @rule(
        index=which,
        to=which,
        told=st.booleans(),
        before=few,
        between=few,
        answer=answers,
        order=orders,
        step=st.booleans(),
    )
    @precondition(lambda self: "tasks" in self.climate)
    def a_worker_is_paused_and_woken(
        self,
        *,
        index: int,
        to: int,
        told: bool,
        before: int,
        between: int,
        answer: Answer,
        order: list[bool],
        step: bool,
    ) -> None:
        """Dispatch a handler to a second worker while the first is paused, then wake the first."""
        operator, worker, other = self.operator(to), self.workers[index], self.workers[1 - index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        self.server.create_event(KNOWN_EVENTS[0])
        self._serve(operator)
        for _ in range(before):
            self._work(worker, STEP if step else answer, deliver=True)
            self._serve(operator)
        self._work(worker, answer, deliver=told)
        worker.disconnect()
        operator.grace_passes(worker.name)
        other.connect(operator)
        for _ in range(between):
            self._round(operator, answer)
        self._work(other, answer, deliver=False)
        self._work(worker, answer, deliver=False)
        worker.connect(operator)
        for other_is_next in order:
            each = other if other_is_next else worker
            operator.get_outcome(each)
            self._serve(operator)
            self._work(each, answer, deliver=False)
        for _ in range(2):
            self._round(operator, answer)

    @rule(index=which, to=which, before=rounds, stored=mostly, answer=answers)
    @precondition(lambda self: "tasks" in self.climate and "crashes" in self.climate)
    def an_operator_is_killed_after_a_record(
        self, index: int, to: int, before: int, stored: bool, answer: Answer
    ) -> None:
        """Kill an operator that wrote a record, or was about to, before its worker is told."""
        operator, worker = self.operator(to), self.workers[index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        self.server.create_event(KNOWN_EVENTS[0])
        self._serve(operator)
        for _ in range(before):
            self._work(worker, answer, deliver=True)
            operator.reconcile(show=True)
            self._work(worker, answer, deliver=True)
            self._serve(operator)
        operator.reconcile(show=True)
        if stored:
            operator.begin_write()
        operator.start()
        operator.finish_start()
        worker.connect(operator)
        for _ in range(2):
            self._round(operator, answer)

    @rule(index=which, to=which, crash=st.booleans())
    @precondition(lambda self: "tasks" in self.climate)
    def steps_follow_each_other(self, index: int, to: int, crash: bool) -> None:
        """Run two steps with the same tasks; the worker of the first may be lost and come back."""
        operator, worker, other = self.operator(to), self.workers[index], self.workers[1 - index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        self.server.create_event(KNOWN_EVENTS[0])
        for _ in range(4):
            self._round(operator, STEP)
        if crash:
            worker.crash()
        worker.disconnect()
        operator.grace_passes(worker.name)
        other.connect(operator)
        for _ in range(4):
            self._round(operator, STEP)
        self._work(worker, STEP, deliver=False)
        worker.connect(operator)
        for _ in range(5):
            self._round(operator, WAIT)

    @rule(index=which, to=which, times=rounds, late=st.booleans(), crash=st.booleans())
    @precondition(lambda self: "failures" in self.climate)
    def a_handler_fails(self, index: int, to: int, times: int, late: bool, crash: bool) -> None:
        """Fail some attempts; the operator may be killed before their worker is told."""
        operator, worker, other = self.operator(to), self.workers[index], self.workers[1 - index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        self.server.create_event(KNOWN_EVENTS[0])
        for _ in range(times):
            self._serve(operator)
            for _ in range(4):  # its tasks come first
                self._work(worker, fail_and_retry, deliver=True)
                operator.reconcile(show=True)
                operator.begin_write()
                if not crash:
                    operator.finish_write(answer_lost=False)
            if crash:
                operator.start()
                operator.finish_start()
                worker.connect(operator)
                worker.deliver()
            if late:
                worker.disconnect()
                operator.grace_passes(worker.name)
                other.connect(operator)
            self._serve(operator)
            self.server.advance(1.0)
            worker.connect(operator)
            worker.deliver()

    @rule()
    @precondition(lambda self: "failures" in self.climate and self.server.run is not None)
    def somebody_retries(self) -> None:
        run = self.server.run
        if run is not None:
            self.server.change_spec(retry=(run.spec.retry or 0) + 1)

    @rule(index=which, to=which, before=few)
    @precondition(lambda self: "choices" in self.climate and "crashes" in self.climate)
    def an_event_is_rejected_while_another_one_has_a_journal(
        self, index: int, to: int, before: int
    ) -> None:
        """Find out late that a name is unknown: the handler of an event behind it was lost."""
        operator, worker = self.operator(to), self.workers[index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        operator.start()
        operator.finish_start()
        worker.connect(operator)
        self.server.advance(RETURN_TIME.total_seconds())
        self.server.create_event(UNKNOWN_EVENT)
        self.server.create_event(KNOWN_EVENTS[0])
        for _ in range(before + 2):
            self._serve(operator)
            self._work(worker, WAIT, deliver=True)
        self._serve(operator)
        worker.crash()
        operator.grace_passes(worker.name)
        self._serve(operator)
        self.server.advance(RECONNECT_TIME.total_seconds())
        worker.connect(operator)
        for _ in range(3):
            self._round(operator, WAIT)

    def _work(self, worker: Worker, answer: Answer, *, deliver: bool) -> None:
        worker.take()
        for execution_id in list(worker.running):
            worker.finish(execution_id, answer)
        if deliver:
            worker.deliver()
