"""A handler that lasts is shown, whichever way it began: each way in, in the real order.

An operator decides only when something wakes it, and defers a write that is only for people. Each
way ends with a handler that goes on running; then time passes and nothing happens.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from grctl.models import RunPhase
from grctl_operator.engine import Decision, Urgency, decide, dispatch
from grctl_operator.engine.dispatch import RETURN_TIME
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.batching import Batching
from grctl_operator.runtime.timing import Timing, Why
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write.refresher import Refresher
from tests.engine.api_server import KEY, START, ApiServer
from tests.engine.checks import UNKNOWN_EVENT
from tests.engine.operators import Operator
from tests.engine.rounds import ALL, STEP, TIMED, WAIT
from tests.engine.workers import OTHER_VERSION, Answer, Worker, refuse

LASTS = 0.5  # s: of it a handler needs a quarter to be shown


@dataclass(eq=False)
class Timer:
    """A timer of the stage."""

    when: float
    timers: set["Timer"]

    def cancel(self) -> None:
        self.timers.discard(self)


def _moment(timer: Timer) -> datetime:
    return START + timedelta(microseconds=math.ceil(timer.when * 1e6))


class Stage:
    """An operator with its timing, two workers, and time that passes only where nothing is due."""

    def __init__(self) -> None:
        self.server = ApiServer()
        self.timers: set[Timer] = set()
        self.timing = self.new_timing()
        self.decided = Decision()
        self.operator = Operator(self.server, self._decide)
        self.operator.finish_start()
        self.first, self.second = Worker("w0"), Worker("w1")
        self.first.connect(self.operator)
        self.go_on(RETURN_TIME.total_seconds())

    def new_timing(self) -> Timing:
        """Return the timing of an operator that starts."""
        self.timers.clear()
        queue = WorkQueue()
        return Timing(
            queue,
            lambda: self.operator.now,
            refresher=Refresher(queue, lambda _: (), self.time),
            urgency_of_outcomes=lambda _: Urgency.NOW,
            batching=Batching(),
            timers=self,
        )

    def time(self) -> float:
        """Return the time of the monotonic clock."""
        return (self.operator.now - START).total_seconds()

    def call_at(self, when: float, _callback: Callable[[Key], None], _key: Key) -> Timer:
        timer = Timer(when, self.timers)
        self.timers.add(timer)
        return timer

    def _decide(self, *what: Any, **how: Any) -> Decision:
        self.decided = decide(*what, **how)
        return self.decided

    def go_on(self, seconds: float = 0.0) -> None:
        """Do everything that is due within a time."""
        end = self.server.clock + timedelta(seconds=seconds)
        while self._reconcile() or self._wait(end):
            pass

    def _wait(self, end: datetime) -> bool:
        """Move time on until something is due. Return False at the end."""
        due = min([self.operator.look_again_at or end, *map(_moment, self.timers)])
        self.server.clock = max(min(due, end), self.server.clock)
        return due <= self.server.clock and due < end

    def _reconcile(self) -> bool:
        operator = self.operator
        operator.see_runs(ALL)
        operator.see_events(ALL)
        operator.read_list()
        operator.get_list()
        operator.settle_all()
        write = self.timing.is_write_due(KEY)
        rings = any(_moment(timer) <= self.server.clock for timer in self.timers)
        if not operator.awake and not write and not rings:
            return False
        self.timing.begin(KEY)
        operator.woken = True
        operator.reconcile(show=write)
        self.timing.on_decision(KEY, self.decided)
        if operator.planned:
            self._write()
        self.timing.add(KEY, why=Why.DECIDED, when=self.decided.look_again_at)
        return True

    def _write(self, *, answer_lost: bool = False) -> None:
        planned = self.operator.planned
        assert planned is not None
        assert planned.decision.status is not None
        outcomes = planned.decision.status.commits - planned.base.status.commits
        self.operator.begin_write()
        self.operator.finish_write(answer_lost=answer_lost)
        self.timing.on_write(KEY, outcomes)

    def work(self, answer: Answer, worker: Worker | None = None) -> None:
        """Finish the handler that runs on a worker, and do what follows from it."""
        worker = worker or self.first
        while worker.inbox:
            worker.take()
        worker.finish(next(iter(worker.running)), answer)
        worker.deliver()
        self.go_on()

    def start(self, answer: Answer | None = None) -> None:
        self.server.create_run()
        self.go_on()
        if answer:
            self.work(answer)

    def send(self, *names: str) -> None:
        for name in names:
            self.server.create_event(name)
            self.go_on()


def the_start_handler(stage: Stage) -> None:
    stage.start()


def an_event_at_once(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("approve")


def an_event_from_before_the_run(stage: Stage) -> None:
    stage.send("approve")
    stage.start(WAIT)


def an_event_from_before_the_wait(stage: Stage) -> None:
    stage.start()
    stage.send("approve")
    stage.work(WAIT)


def a_step(stage: Stage) -> None:
    stage.start(STEP)


def a_step_after_an_event(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.work(STEP)


def a_timeout_step(stage: Stage) -> None:
    stage.start(TIMED)
    stage.go_on(4.0)


def a_timeout_step_after_an_event(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.work(TIMED)
    stage.go_on(4.0)


def an_event_after_a_refused_payload(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("approve", "reject")
    stage.work(refuse)


def an_event_after_an_unknown_one(stage: Stage) -> None:
    stage.send(UNKNOWN_EVENT, "approve")
    stage.start(WAIT)
    stage.go_on(6.0)


def an_event_after_a_withdrawn_one(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("approve", "reject")
    stage.server.delete_event("event1")
    stage.go_on()


def a_retry_after_a_lost_worker(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.second.connect(stage.operator)
    stage.first.crash()
    stage.operator.grace_passes("w0")
    stage.go_on()


def a_third_attempt_after_its_back_off(stage: Stage) -> None:
    a_retry_after_a_lost_worker(stage)
    stage.first.connect(stage.operator)
    stage.second.crash()
    stage.operator.grace_passes("w1")
    stage.go_on(3.0)


def a_worker_that_was_missing(stage: Stage) -> None:
    stage.first.disconnect()
    stage.start()
    stage.go_on(1.0)
    stage.first.connect(stage.operator)
    stage.go_on()


def an_event_that_waited_for_a_worker(stage: Stage) -> None:
    stage.start(WAIT)
    stage.first.disconnect()
    stage.send("approve")
    stage.go_on(1.0)
    stage.first.connect(stage.operator)
    stage.go_on()


def an_event_ahead_of_the_commit_before_it(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("approve", "reject", "approve")
    stage.work(WAIT)
    stage.work(WAIT)


def an_event_after_several_outcomes_in_one_commit(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("approve", "reject", "approve", "reject")
    stage.work(WAIT)
    _bring_several(stage, stage.first)
    stage.go_on()


def _bring_several(stage: Stage, worker: Worker) -> None:
    while worker.inbox:
        worker.take()
    for execution in list(worker.running)[:2]:
        worker.finish(execution, WAIT)
    worker.deliver()


def an_event_after_a_commit_without_an_answer(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("approve", "reject")
    worker = stage.first
    worker.take()
    worker.finish(next(iter(worker.running)), WAIT)
    worker.deliver()
    stage.operator.reconcile(show=False)
    stage._write(answer_lost=True)
    stage.go_on()


def a_takeover_while_it_runs(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.first.take()
    _take_over(stage)
    stage.first.connect(stage.operator)
    stage.go_on(RETURN_TIME.total_seconds())


def a_takeover_whose_workers_are_gone(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.first.crash()
    _take_over(stage)
    stage.second.connect(stage.operator)
    stage.go_on(RETURN_TIME.total_seconds() + 0.1)


def a_takeover_by_which_it_waits_for_its_first_dispatch(stage: Stage) -> None:
    stage.start(WAIT)
    stage.first.disconnect()
    stage.send("approve")
    _take_over(stage)
    stage.second.connect(stage.operator)
    stage.go_on(RETURN_TIME.total_seconds() + 0.1)


def _take_over(stage: Stage) -> None:
    stage.timing = stage.new_timing()
    stage.operator.start()
    stage.operator.finish_start()
    stage.go_on()


def a_cancellation_that_waits_for_it(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.server.change_spec(cancel=True)
    stage.go_on()


WAYS: tuple[Callable[[Stage], None], ...] = (
    the_start_handler,
    an_event_at_once,
    an_event_from_before_the_run,
    an_event_from_before_the_wait,
    a_step,
    a_step_after_an_event,
    a_timeout_step,
    a_timeout_step_after_an_event,
    an_event_after_a_refused_payload,
    an_event_after_an_unknown_one,
    an_event_after_a_withdrawn_one,
    a_retry_after_a_lost_worker,
    a_third_attempt_after_its_back_off,
    a_worker_that_was_missing,
    an_event_that_waited_for_a_worker,
    an_event_ahead_of_the_commit_before_it,
    an_event_after_several_outcomes_in_one_commit,
    an_event_after_a_commit_without_an_answer,
    a_takeover_while_it_runs,
    a_takeover_whose_workers_are_gone,
    a_takeover_by_which_it_waits_for_its_first_dispatch,
    a_cancellation_that_waits_for_it,
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_handler_that_goes_on_running_is_shown_after(way: Callable[[Stage], None]) -> None:
    stage = Stage()
    way(stage)

    stage.go_on(LASTS)

    run = stage.server.run
    held = (stage.first, stage.second)
    running = [execution for each in held for execution, _ in each.running.values()]
    waiting = [given.execution for each in held for given in each.inbox]
    execution = (running + waiting)[0]
    assert run is not None
    assert run.status.phase is RunPhase.RUNNING
    assert run.status.step is not None
    step = run.status.step
    assert (step.name, step.kind) == (execution.handler_name, execution.handler_kind)
    assert (step.event, step.attempt) == (execution.event, execution.attempt)
    assert step.worker == stage.operator.held[execution.id].worker
    assert run.status.message.startswith("Runs ")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_once_it_is_shown_nothing_is_written_any_more_after(way: Callable[[Stage], None]) -> None:
    stage = Stage()
    way(stage)
    stage.go_on(LASTS)
    revision = stage.server.revision

    stage.go_on(3.0)

    assert stage.server.revision == revision


def a_withdrawn_event(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.go_on(LASTS)
    stage.server.delete_event("event1")
    stage.go_on()


def a_refused_payload(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.go_on(LASTS)
    stage.work(refuse)


def an_unknown_event(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send(UNKNOWN_EVENT)
    stage.go_on(6.0)


def a_lost_worker(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.go_on(LASTS)
    stage.first.crash()
    stage.operator.grace_passes("w0")


def a_lost_worker_of_another_version(stage: Stage) -> None:
    stage.start(WAIT)
    stage.send("reject")
    stage.go_on(LASTS)
    stage.first.crash()
    stage.second.catalogue = OTHER_VERSION
    stage.second.connect(stage.operator)
    stage.operator.grace_passes("w0")


def a_step_without_a_worker(stage: Stage) -> None:
    stage.start()
    stage.work(STEP)
    stage.go_on(LASTS)
    stage.first.crash()
    stage.operator.grace_passes("w0")


def an_event_without_its_handler(stage: Stage) -> None:
    stage.start(WAIT)
    stage.first.crash()
    stage.first.catalogue = OTHER_VERSION
    stage.first.connect(stage.operator)
    stage.send("reject")


def a_wait_of_which_nothing_came(stage: Stage) -> None:
    stage.start(WAIT)


def an_event_that_was_handled(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.go_on(LASTS)
    stage.work(WAIT)


def a_restart_of_the_operator_without_a_worker(stage: Stage) -> None:
    an_event_at_once(stage)
    stage.go_on(LASTS)
    stage.first.crash()
    _take_over(stage)
    stage.go_on(RETURN_TIME.total_seconds())


QUIET: tuple[tuple[Callable[[Stage], None], str], ...] = (
    (a_wait_of_which_nothing_came, "Waits for an event: approve, reject."),
    (an_event_that_was_handled, "Waits for an event: approve, reject."),
    (a_withdrawn_event, "Waits for an event: approve, reject."),
    (a_refused_payload, "Waits for an event: approve, reject."),
    (an_unknown_event, "Waits for an event: approve, reject."),
    (a_lost_worker, "No worker serves workflow type"),
    (a_lost_worker_of_another_version, "No connected worker of Order has the event handler"),
    (a_step_without_a_worker, "No worker serves workflow type"),
    (an_event_without_its_handler, "No connected worker of Order has the event handler"),
    (a_restart_of_the_operator_without_a_worker, "No worker serves workflow type"),
)


@pytest.mark.parametrize(("way", "message"), QUIET, ids=lambda each: getattr(each, "__name__", ""))
def test_a_run_without_a_running_handler_says_so_after(
    way: Callable[[Stage], None], message: str
) -> None:
    stage = Stage()
    way(stage)

    stage.go_on(1.0)

    run = stage.server.run
    assert run is not None
    assert run.status.message.startswith(message)
    assert run.status.step is None or run.status.step.worker is None


def test_an_engine_that_does_not_look_again_after_a_dispatch_shows_too_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "SHOWN_AFTER", timedelta(days=1))
    stage = Stage()
    an_event_from_before_the_run(stage)

    stage.go_on(LASTS)

    assert stage.server.run is not None
    assert stage.server.run.status.phase is RunPhase.WAIT_EVENT
