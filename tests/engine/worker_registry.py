"""The registry of an operator in the stateful test: its workers, and their executions."""

from dataclasses import replace
from datetime import datetime, timedelta

from grctl.models import RunStatus, WorkflowRun
from grctl.models.journal import merge
from grctl.models.wire import Catalogue, Declined, Execution, RecordOperations
from grctl_operator.engine import ConfirmRecords, Dispatch, Executions, Held, WorkerPresence
from grctl_operator.engine.journal import entries_for
from grctl_operator.engine.versions import is_refusal
from grctl_operator.views.records import find_durable
from tests.engine.api_server import KEY, ApiServer
from tests.engine.checks import require
from tests.engine.task_world import Entries
from tests.engine.workers import CAPACITY, Given, Worker, execution_numbers


class WorkerRegistry:
    """The part of an operator that workers connect to."""

    server: ApiServer
    run: WorkflowRun | None
    woken: bool

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}

    def forget_workers(self) -> None:
        for worker in list(self.workers.values()):
            worker.disconnect()
        self.workers.clear()
        self.held: dict[str, Held] = {}
        self.seen: dict[str, datetime] = {}
        self.catalogues: dict[str, Catalogue] = {}
        self.accepting_since = self.now
        self.all_back = False

    def on_jump(self, by: timedelta) -> None:
        """Move the remembered moments, so that the time since then stays the same."""
        self.accepting_since += by
        self.seen = {name: seen + by for name, seen in self.seen.items()}
        self.held = {id_: replace(each, since=each.since + by) for id_, each in self.held.items()}
        self.woken = True

    @property
    def now(self) -> datetime:
        raise NotImplementedError

    def _executions(self) -> Executions:
        presences = tuple(
            WorkerPresence(
                name=name,
                catalogue=self.catalogues[name],
                connected=name in self.workers,
                seen=self.now if name in self.workers else seen,
                free=CAPACITY - any(held.worker == name for held in self.held.values()),
                clear=name in self.workers,  # no other run is there
            )
            for name, seen in self.seen.items()
        )
        held = tuple(self.held.values())
        return Executions(held, presences, (), self.accepting_since, self.all_back)

    def _dispatch(self, effect: Dispatch) -> None:
        assert self.run is not None
        if effect.ahead:
            self._dispatch_ahead(effect, self.run)
            return
        able = [
            each
            for each in self.workers.values()
            if each.catalogue.has(effect.kind, effect.name) and each.catalogue not in effect.but
        ]
        worker = min(able, key=lambda each: len(each.running))
        execution = _execution(effect, self.run)
        self._check_version(execution, worker)
        self.held[execution.id] = Held(execution, worker.name, self.now, catalogue=worker.catalogue)
        self._note_dispatch(execution, self.run, ahead=False)
        journal = journal_to_give(self.run.status, execution)
        worker.inbox.append(Given(execution, dict(self.run.status.store), journal))

    def _check_version(self, execution: Execution, worker: Worker) -> None:
        """A version that refused an event is not asked again upon the same commit."""
        fence = (execution.run_uid, execution.commits, execution.base, execution.event_uid)
        for held in self.held.values():
            other, refused = held.execution, held.outcome and is_refusal(held.outcome)
            same = (other.run_uid, other.commits, other.base, other.event_uid) == fence
            asked = same and refused and held.catalogue == worker.catalogue
            require(
                not asked, f"I8 (bad input): {worker.name} is asked again for {execution.event_uid}"
            )

    def _dispatch_ahead(self, effect: Dispatch, run: WorkflowRun) -> None:
        base = self.held.get(effect.base or "")
        worker = self.workers.get(base.worker) if base else None
        if worker is None or effect.event is None:
            return
        for number, event in enumerate((effect.event, *effect.then)):
            link = replace(effect, name=event.event_name, event=event)
            execution = _execution(replace(link, commits=effect.commits + number), run)
            self.held[execution.id] = Held(
                execution, worker.name, self.now, catalogue=worker.catalogue
            )
            self._note_dispatch(execution, run, ahead=True)
            worker.inbox.append(Given(execution, None, {}))
            effect = replace(effect, base=execution.id)

    def _note_dispatch(self, execution: Execution, run: WorkflowRun, *, ahead: bool) -> None:
        if self.server.tasks is not None:
            self.server.tasks.on_dispatch(execution, run=run, ahead=ahead)

    def _release(self, execution_id: str, *, committed: bool) -> None:
        held = self.held.pop(execution_id, None)
        worker = self.workers.get(held.worker) if held else None
        if worker:
            worker.release(execution_id, committed=committed)

    def _confirm(self, effect: ConfirmRecords) -> None:
        """Tell a worker what is durable, and drop its records of that."""
        held = self.held.get(effect.execution)
        if held is None or self.run is None:
            return
        journal = entries_for(self.run.status, held.execution.event_uid)
        durable = find_durable(held, journal, (*effect.keys, *effect.entries))
        left = {key: entry for key, entry in held.records.items() if key not in durable}
        self.held[effect.execution] = replace(
            held,
            records=left,
            recorded_at=held.recorded_at if left else None,
            awaits_records=held.awaits_records and bool(left),
        )
        worker = self.workers.get(held.worker)
        if worker:
            keys = tuple(key for key in durable if key not in effect.entries)
            worker.on_durable(effect.execution, keys, dict(effect.entries))

    def worker_came(self, worker: Worker, executions: list[Execution]) -> None:
        self.workers[worker.name] = worker
        self.seen[worker.name] = self.now
        self.catalogues[worker.name] = worker.catalogue
        still = {execution.id for execution in executions}
        for execution in executions:
            self.held[execution.id] = Held(
                execution, worker.name, self.now, catalogue=worker.catalogue
            )
        for execution_id, held in list(self.held.items()):
            if held.worker == worker.name and execution_id not in still:
                self.held[execution_id] = replace(held, lost=True)
        self.woken = True

    def worker_left(self, worker: Worker) -> None:
        self.workers.pop(worker.name, None)
        self.seen[worker.name] = self.now

    def grace_passes(self, name: str) -> None:
        if name in self.workers:
            return
        for execution_id, held in list(self.held.items()):
            if held.worker == name and not held.lost:
                self.held[execution_id] = replace(held, lost=True)
                self.woken = True

    def get_outcome(self, worker: Worker) -> None:
        if not worker.outbox:
            return
        outcome = worker.outbox.pop(0)
        self.woken = True
        if isinstance(outcome, Declined):
            self.held.pop(outcome.execution, None)
            return
        if isinstance(outcome, RecordOperations):
            self._take_records(worker, outcome)
            return
        known = self.held.get(outcome.execution.id)
        if known is None:
            known = Held(outcome.execution, worker.name, self.now)
        self.held[outcome.execution.id] = replace(known, outcome=outcome, took=timedelta())

    def _take_records(self, worker: Worker, message: RecordOperations) -> None:
        known = self.held.get(message.execution.id) or Held(
            message.execution, worker.name, self.now, catalogue=worker.catalogue
        )
        records = merge(known.records, message.entries)
        self.held[message.execution.id] = replace(
            known,
            records=records,
            recorded_at=(known.recorded_at or self.now) if records else None,
            awaits_records=known.awaits_records or message.awaited,
        )


def journal_to_give(status: RunStatus, execution: Execution) -> Entries:
    """Return what an execution is given of the journal."""
    return entries_for(status, execution.event_uid)


def _execution(effect: Dispatch, run: WorkflowRun) -> Execution:
    return Execution(
        id=f"x{next(execution_numbers)}",
        namespace=KEY.namespace,
        workflow_id=KEY.name,
        workflow_type="Order",
        run_uid=run.metadata.uid,
        commits=effect.commits,
        base=effect.base,
        handler_kind=effect.kind,
        handler_name=effect.name,
        attempt=effect.attempt,
        event=effect.event.name if effect.event else None,
        event_uid=effect.event.uid if effect.event else None,
    )
