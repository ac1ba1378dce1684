"""Races that break naive rules, each as one rule of the machine: chance alone finds them rarely.

And what people do to runs and events at the same time.
"""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from grctl_operator.engine.dispatch import RETURN_TIME
from grctl_operator.engine.inbox import RECONNECT_TIME
from tests.engine.checks import KNOWN_EVENTS
from tests.engine.operators import Operator
from tests.engine.rounds import (
    ALL,
    TIMED,
    TOO_MANY_EVENTS,
    WAIT,
    Rounds,
    answers,
    how_many,
    rarely,
    seldom,
    which,
)
from tests.engine.workers import CATALOGUE, OTHER_VERSION, Answer, Worker

WISHES: tuple[dict[str, bool], ...] = (
    {"cancel": True},
    {"terminate": True},
    {"cancel": True, "terminate": True},
)
cuts = st.sampled_from(["", "", "break", "crash"])


class Races(Rounds):
    """The rules of the machine that each play one race."""

    @rule(index=which, seconds=st.sampled_from([0.0, 1.0, 3.0]), touch=st.booleans())
    @precondition(lambda self: "lags" in self.climate)
    def something_happens_unseen(self, index: int, seconds: float, touch: bool) -> None:
        """Create or change an event while the watch of events lags, then pass time."""
        self.operator(index).events_lag = True
        waiting = [uid for uid, record in self.server.events.items() if record.waits]
        if touch and waiting and "touches" in self.climate:
            watched = all(operator.has_seen(waiting[0]) for operator in self.operators)
            self.server.touch_event(waiting[0], watched=watched)
        elif len(self.server.events) < TOO_MANY_EVENTS:
            self.server.create_event(KNOWN_EVENTS[0])
        self.server.advance(seconds if "deadlines" in self.climate else 0.0)

    @rule(index=which, seen=st.sampled_from([0, 1, ALL]), anew=rarely)
    @precondition(lambda self: len(self.operators) == 2)
    def an_operator_falls_behind_and_takes_over(self, index: int, seen: int, anew: bool) -> None:
        """Handle two events by one operator, then take over by one that lags behind.

        All workers connect to it then.
        """
        behind, ahead = self.operator(index), self.operator(index + 1)
        if not (behind.ready and ahead.ready) or len(self.server.events) > TOO_MANY_EVENTS:
            return
        self.server.create_run()
        behind.events_lag = ahead.events_lag = False
        behind.see_events(ALL)
        self.server.create_event(KNOWN_EVENTS[0])
        behind.see_events(seen)
        self.server.create_event(KNOWN_EVENTS[1])
        for worker in self.workers:
            worker.connect(ahead)
        self.server.advance(RETURN_TIME.total_seconds())
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
        """Read a list, handle its events and see them settled; then the list arrives."""
        operator = self.operator(index)
        if not self._may_play(operator):
            return
        self._all_serve(operator)
        operator.runs_lag = operator.events_lag = False
        for _ in range(4):
            self._round(operator, WAIT)
        self.server.create_event(KNOWN_EVENTS[0])
        self.server.create_event(KNOWN_EVENTS[1])
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
        """Advance the clock to about a wait's deadline, and send an event just then."""
        wait = self.server.run.status.wait if self.server.run else None
        if wait is None or wait.deadline is None:
            return
        self.server.clock = max(self.server.clock, wait.deadline + timedelta(seconds=after))
        if event and len(self.server.events) <= TOO_MANY_EVENTS:
            self.server.create_event(KNOWN_EVENTS[0])
        for _ in range(3):  # it asks for a list, gets it, and fires or not
            self._round(self.operator(index), TIMED)

    @rule(index=which)
    @precondition(lambda self: "lags" in self.climate)
    def a_commit_is_refused(self, index: int) -> None:
        """Change the run between an operator's decision and its write."""
        operator = self.operator(index)
        if not self._may_play(operator):
            return
        self._all_serve(operator)
        self.server.create_event(KNOWN_EVENTS[0])
        operator.runs_lag = operator.events_lag = False
        for _ in range(3):
            self._round(operator, WAIT)
        operator.reconcile(show=False)
        self.server.change_spec()
        operator.begin_write()
        operator.finish_write(answer_lost=False)
        operator.settle_all()

    @rule(
        index=which,
        to=which,
        ahead=st.lists(answers, min_size=3, max_size=3),
        cut=cuts,
        lost=st.booleans(),
    )
    @precondition(lambda self: "ahead" in self.climate)
    def a_worker_works_ahead(
        self, index: int, to: int, ahead: list[Answer], cut: str, lost: bool
    ) -> None:
        """Hand over three events, and write the first outcome while the others run.

        Then its connection may break or the worker may crash, before or after its outcomes came.
        The answer of the write of the others may be lost.
        """
        operator, worker = self.operator(to), self.workers[index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        for number in (0, 1, 0):
            self.server.create_event(KNOWN_EVENTS[number])
        for _ in range(3):
            self._round(operator, WAIT)
        self._answer(operator, worker, ahead)
        if cut:
            worker.crash() if cut == "crash" else worker.disconnect()
            operator.grace_passes(worker.name)
            worker.connect(operator)
        operator.finish_write(answer_lost=False)
        if lost:
            operator.reconcile(show=False)
            operator.begin_write()
            operator.finish_write(answer_lost=True)
            operator.reconcile(show=False)

    @rule(index=which, to=which, crash=st.booleans(), taken=st.booleans())
    @precondition(lambda self: "versions" in self.climate)
    def a_new_version_begins_an_event_and_is_gone(
        self, index: int, to: int, crash: bool, taken: bool
    ) -> None:
        """Dispatch an event to a new version of the workflow, then roll that version back.

        Only the new version has a handler for it. The operator may crash in between.
        """
        operator, worker = self.operator(to), self.workers[index]
        if not self._may_play(operator):
            return
        worker.crash()
        worker.catalogue = OTHER_VERSION
        self._only_worker_of(operator, worker)
        worker.crash()
        worker.catalogue = CATALOGUE
        worker.connect(operator)
        self.server.create_event(KNOWN_EVENTS[1])
        self.an_operator_goes_on(to, ALL, ALL, True, True)
        if taken:
            worker.take()
        worker.crash()
        worker.catalogue = OTHER_VERSION
        if crash:
            operator.start()
            operator.finish_start()
        worker.connect(operator)
        self.server.advance(RECONNECT_TIME.total_seconds())
        for _ in range(2):
            self.an_operator_goes_on(to, ALL, ALL, True, True)

    def _may_play(self, operator: Operator) -> bool:
        return operator.ready and len(self.server.events) <= TOO_MANY_EVENTS

    def _all_serve(self, operator: Operator) -> None:
        """Connect all workers to this operator for long enough; there must be a run."""
        self.server.create_run()
        for worker in self.workers:
            worker.connect(operator)
        self.server.advance(RETURN_TIME.total_seconds())

    def _only_worker_of(self, operator: Operator, worker: Worker) -> None:
        self.server.create_run()
        operator.runs_lag = operator.events_lag = False
        for each in self.workers:
            each.disconnect()
        worker.connect(operator)
        self.server.advance(RETURN_TIME.total_seconds())
        for _ in range(3):
            self._round(operator, WAIT)

    def _answer(self, operator: Operator, worker: Worker, answers: list[Answer]) -> None:
        """Bring back all executions of a worker, one by one, while the operator decides."""
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
        """Lose two outcomes with a connection, and bring them back after the first was repeated.

        Another worker repeats it, perhaps with another result. The first worker still holds both.
        """
        operator, worker = self.operator(to), self.workers[index]
        other = self.workers[1 - index]
        if not self._may_play(operator):
            return
        self._only_worker_of(operator, worker)
        for number in (0, 1, 0):
            self.server.create_event(KNOWN_EVENTS[number])
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
        """Change one of two seen events and handle both; then the watch shows the change."""
        operator = self.operator(index)
        if not self._may_play(operator):
            return
        uid = self.server.create_event(KNOWN_EVENTS[0])
        self.server.create_event(KNOWN_EVENTS[1])
        operator.events_lag = False
        operator.see_events(ALL)
        self.server.touch_event(uid, watched=all(each.has_seen(uid) for each in self.operators))
        for worker in self.workers:
            worker.connect(operator)
        self.server.advance(RETURN_TIME.total_seconds())
        for _ in range(5):
            self._round(operator, WAIT, events=0)
        operator.see_events(seen)
        self._round(operator, WAIT, events=0)

    # people

    @rule()
    def somebody_creates_the_run(self) -> None:
        self.server.create_run()

    @rule(index=which, sure=rarely, away=st.booleans(), addressed=st.booleans())
    @precondition(lambda self: "new runs" in self.climate)
    def the_run_is_deleted_and_made_anew(
        self, index: int, sure: bool, away: bool, addressed: bool
    ) -> None:
        """Delete the run by an operator that sees everything, and create it anew.

        Workers may be away, and an event that names the new run may be seen before the run.
        """
        operator = self.operator(index)
        if not sure or not operator.ready:
            return
        for worker in self.workers if away else ():
            worker.take()
            worker.disconnect()
        self.server.delete_run()
        operator.runs_lag = operator.events_lag = False
        for _ in range(5):
            self.an_operator_goes_on(index, ALL, ALL, True, True)
        self.server.create_run()
        run = self.server.run
        if addressed and run and len(self.server.events) <= TOO_MANY_EVENTS:
            self.server.create_event(KNOWN_EVENTS[0], run.metadata.uid)
            self.an_operator_goes_on(index, 0, ALL, True, True)
        for worker in self.workers if away else ():
            worker.connect(operator)

    @rule(what=st.sampled_from(["delete", "delete", "cancel", "terminate"]), sure=seldom)
    @precondition(lambda self: "ends" in self.climate)
    def somebody_ends_the_run(self, what: str, sure: bool) -> None:
        if sure and what == "delete":
            self.server.delete_run()
        elif sure:
            self.server.change_spec(**{what: True})

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
        """Ask for an end while a worker has a handler or brings it back; maybe take it back."""
        operator = self.operator(index)
        if not self._may_play(operator):
            return
        self._all_serve(operator)
        for _ in range(2):
            self._round(operator, WAIT)
        self.server.create_event(KNOWN_EVENTS[0])
        self.an_operator_goes_on(index, ALL, ALL, True, True)
        self.server.change_spec(**wish)
        for number, worker in enumerate(self.workers):
            if outcome and worker.operator is operator:
                self.a_worker_goes_on(number, answer)
        self.an_operator_goes_on(index, ALL, ALL, True, True)
        if back:
            self.server.change_spec(cancel=None, terminate=None)
            self.an_operator_goes_on(index, ALL, ALL, True, True)

    @rule(keep=st.sampled_from([None, 0, 1, 2]), ttl=st.sampled_from([None, 0, 2]), end=rarely)
    @precondition(lambda self: "retention" in self.climate)
    def somebody_says_what_is_kept(self, keep: int | None, ttl: int | None, end: bool) -> None:
        self.server.change_spec(
            keep_events=keep, ttl_seconds_after_finished=ttl, terminate=end or None
        )

    @rule(data=st.data(), withdraw=seldom)
    @precondition(lambda self: "touches" in self.climate)
    @precondition(lambda self: any(each.waits for each in self.server.events.values()))
    def somebody_touches_an_event(self, data: st.DataObject, withdraw: bool) -> None:
        waiting = [uid for uid, record in self.server.events.items() if record.waits]
        uid = data.draw(st.sampled_from(waiting))
        watched = all(operator.has_seen(uid) for operator in self.operators)
        if withdraw:
            self.server.delete_event(uid)
        else:
            self.server.touch_event(uid, watched=watched)

    @rule(index=which)
    @precondition(lambda self: "retention" in self.climate)
    def events_are_removed_before_the_last_is_settled(self, index: int) -> None:
        """End a run that keeps no events while one waits and its settling takes time."""
        if len(self.server.events) <= TOO_MANY_EVENTS:
            self.server.create_event(KNOWN_EVENTS[0])
        self.server.change_spec(keep_events=0, terminate=True)
        for _ in range(4):
            self.an_operator_goes_on(index, ALL, ALL, False, True)
