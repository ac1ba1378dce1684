"""Reconciler: brings one run from what is so to what should be, again and again.

1. A key is all it is given. What is so comes from the caches, what should be from the engine.
2. `before` effects, then the status if it is due, then `after` effects; then it looks again: at
   once if something may be due, else with the next thing that happens or a moment later.
3. `timing` says when a status is due. Until then nothing is written, and each decision in between
   is made anew. While outcomes are deferred, only what goes ahead of them is decided.
4. After a refused write or a lost answer the run is read afresh before anything is decided. If it
   is as it was written, what follows from the write is done then: it is logged, people are told.
5. What raises is logged, counted, tried again later each time and told on the run; other keys go
   on.
6. A run that cannot be read is told of and passed over until it is changed.
7. A status that the API server refuses as too large is not sent again: the engine says what to
   write instead. Where that is refused too, the run is left alone until something changes.
7. A reconcile that lasts gives its turn to another one, and no namespace has all turns (see
   `lingering`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from grctl.kube import RUNS, Api, ApiError, ConflictError, NotFoundError
from grctl.models import API_VERSION, RunReason, RunStatus, WorkflowRun
from grctl_operator.engine import Decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.lingering import Lingering
from grctl_operator.runtime.outage import passes
from grctl_operator.runtime.people.announcer import Announcer, involved_object
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.people.notices import Notice
from grctl_operator.runtime.questions import Questions
from grctl_operator.runtime.timing import Timing, Why
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.write.effects import Effects
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.reading import UnreadableError, read_run
from grctl_operator.views.runs import RunCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Commit:
    """A write that makes something true, and what it was made from."""

    run: WorkflowRun
    status: RunStatus
    decided: Decision


class Reconciler:
    """Takes keys from the queue and reconciles them."""

    def __init__(
        self,
        api: Api,
        runs: RunCache,
        events: EventCaches,
        executions: ExecutionRegistry,
        queue: WorkQueue,
        *,
        questions: Questions,
        timing: Timing,
        clock: ServerClock,
        effects: Effects,
        dispatcher: Dispatcher,
        announcer: Announcer,
        journal: Journal,
        metrics: Metrics,
        passed_over: PassedOver | None = None,
    ) -> None:
        self._api = api
        self._runs = runs
        self._events = events
        self._executions = executions
        self._queue = queue
        self._questions = questions
        self._timing = timing
        self._clock = clock
        self._effects = effects
        self._dispatcher = dispatcher
        self._announcer = announcer
        self._journal = journal
        self._metrics = metrics
        self._passed_over = passed_over or PassedOver()
        self._unsure: set[Key] = set()
        """Keys whose run must be read before it is decided upon."""
        self._doubtful: dict[Key, _Commit] = {}
        """Commits that were sent, and of which we do not know yet whether they were stored."""
        self.on_turn_left: Callable[[], None] = lambda: None
        """Told that a reconcile lasts: another `run` may begin in its place."""
        self._lingering = Lingering(queue, self._leave_turn)

    async def run(self) -> None:
        """Reconcile one key after the other, until cancelled or until another has its turn."""
        while True:
            key = await self._queue.take()
            self._timing.begin(key)
            self._lingering.begin(key, key.namespace)
            try:
                await self._try(key)
            finally:
                self._queue.done(key)
                replaced = self._lingering.end(key)
            if replaced:
                return
            if len(self._queue):  # thousands of keys may need no I/O: the watch has its turn too
                await asyncio.sleep(0)

    def _leave_turn(self) -> None:
        self.on_turn_left()

    def read_first(self, keys: Iterable[Key]) -> None:
        """Have runs read before anything is decided about them."""
        self._unsure.update(keys)

    async def reconcile(self, key: Key) -> None:
        """Decide once about one key, and do what was decided.

        Raises:
            ApiError, UnreachableError: something could not be done; decide again, after a look.
        """
        if key in self._unsure:
            await self._read_afresh(key)
        try:
            run, seen = self._runs.get(key), self._runs.get_version(key)
        except UnreadableError as error:
            item = {"metadata": self._runs.get_metadata(key)}
            self._passed_over.add("WorkflowRun", item, str(error))
            await self._effects.let_go_unread(key, item["metadata"])
            return
        decided = self._ask(key, run)
        await self._effects.perform(key, run, decided.before)
        if self._runs.get_version(key) != seen:
            self._queue.add(key)  # an effect changed it: decide upon what it is now
        elif run is not None and decided.status is not None:
            await self._write_if_due(key, run, decided.status, decided)
        else:
            await self._effects.perform(key, run, decided.after)
        self._dispatcher.decided(key)
        self._timing.add(key, why=Why.DECIDED, when=decided.look_again_at)

    def _ask(self, key: Key, run: WorkflowRun | None) -> Decision:
        if run is None:
            self._events.of(key).forget_inbox(key)
        at, batching = self._clock.now(), self._timing.is_batching(key)
        decided = self._questions.decide(key, run, at, batching=batching)
        return self._timing.on_decision(key, decided, at)

    async def _write_if_due(
        self, key: Key, run: WorkflowRun, status: RunStatus, decided: Decision
    ) -> None:
        if not self._timing.is_write_due(key):
            return
        try:
            written = await self._write(key, run, status, decided)
        except ApiError as error:
            if not error.too_large:
                raise
            decided, written = await self._write_less(key, run, error)
        await self._effects.perform(key, written, decided.after)
        self._doubtful.pop(key, None)
        self._timing.add(key, why=Why.WRITTEN, when=decided.look_again_at)

    async def _write_less(
        self, key: Key, run: WorkflowRun, refusal: ApiError
    ) -> tuple[Decision, WorkflowRun]:
        """Decide what to write instead of a status that is too large, and write that.

        Raises:
            ApiError: there is nothing, or even that is too large.
        """
        self._doubtful.pop(key, None)
        decided = self._questions.decide_refused(key, run, self._clock.now())
        if decided.status is None:
            raise refusal
        return decided, await self._write(key, run, decided.status, decided)

    async def _write(
        self, key: Key, run: WorkflowRun, status: RunStatus, decided: Decision
    ) -> WorkflowRun:
        """Write a status over the version that was decided upon. Return the run as it is then."""
        path = RUNS.path(key.namespace, key.name, "status")
        body = _body(run, status)
        if status.commits != run.status.commits:
            self._doubtful[key] = _Commit(run, status, decided)
        answer = await self._api.replace(path, body)
        self._timing.on_write(key, status.commits - run.status.commits)
        written = _as_written(run, status, body, answer)
        self._runs.on_answer(answer, written)
        if run.status.commits == status.commits:
            self._metrics.views.inc()
        else:
            self._committed(key, run, status)
        return written

    def _committed(self, key: Key, run: WorkflowRun, status: RunStatus) -> None:
        self._events.of(key).on_commit(key, run.metadata.uid, run.status.commits, status.commits)
        self._tell_of_commit(key, run, status)

    def _tell_of_commit(self, key: Key, run: WorkflowRun, status: RunStatus) -> None:
        before = run.status
        executions = self._executions.chain(status.last_execution, before.last_execution)
        self._journal.committed(key, before, status, executions)

    async def _read_afresh(self, key: Key) -> None:
        uid = self._runs.get_uid(key)
        try:
            item = await self._api.get(RUNS.path(key.namespace, key.name))
        except NotFoundError:
            self._doubtful.pop(key, None)
            if uid is not None:
                self._runs.on_missing(key, uid)
        else:
            self._runs.on_answer(item)
            await self._do_what_follows(key, item)
        self._unsure.discard(key)

    async def _do_what_follows(self, key: Key, item: dict[str, Any]) -> None:
        """Do what follows from a commit whose answer was lost, if the run is as it was written."""
        commit = self._doubtful.pop(key, None)
        if commit is None or item.get("status") != commit.status.to_json():
            return  # it was not stored, or the run has gone on: the engine decides anew
        if item["metadata"]["uid"] == commit.run.metadata.uid:
            self._tell_of_commit(key, commit.run, commit.status)
            await self._effects.perform(key, self._runs.get(key), commit.decided.after)

    async def _try(self, key: Key) -> None:
        try:
            with self._metrics.reconcile_duration.time():
                await self.reconcile(key)
        except ConflictError as error:
            self._metrics.reconcile_errors.labels("conflict").inc()
            logger.info("conflict", extra={"run": str(key), "error": str(error)})
            self._try_later(key)
        except Exception as error:  # noqa: BLE001  # rule 5: other keys go on
            if passes(error):
                fields = {"run": str(key), "error": str(error)}
                logger.warning("reconcile interrupted", extra=fields)
                self._metrics.reconcile_errors.labels("api").inc()
            else:
                self._fail(key, error)
            if not _is_too_large(error):
                self._try_later(key)
        else:
            self._timing.on_success(key)

    def _try_later(self, key: Key) -> None:
        self._unsure.add(key)
        self._timing.add(key, why=Why.FAILED)

    def _fail(self, key: Key, error: Exception) -> None:
        self._metrics.reconcile_errors.labels("fault").inc()
        if isinstance(error, ApiError):
            fields = {"run": str(key), "status": error.status, "error": str(error)}
            logger.error("reconcile refused", extra=fields)
        else:
            logger.error("reconcile failed", extra={"run": str(key)}, exc_info=error)
        uid = self._runs.get_uid(key)
        if uid is not None:
            about = involved_object("WorkflowRun", *key, uid)
            then = "waits until it is changed" if _is_too_large(error) else "tries again"
            text = f"The operator could not work on the run and {then}: {error}"
            reason = RunReason.RECONCILE_FAILED
            self._announcer.announce(Notice(about, key, reason, text, warning=True))


def _is_too_large(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.too_large


def _body(run: WorkflowRun, status: RunStatus) -> dict[str, Any]:
    """Give what a PUT of /status needs: uid and version as preconditions, the spec left out."""
    metadata = run.metadata
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "status": status.to_json(),
    }


def _is_as_sent(sent: dict[str, Any], kept: Any) -> bool:
    """Return whether a status was kept whole.

    The store and the result are free JSON: an API server keeps each as a whole or not at all.
    """
    if not isinstance(kept, dict) or kept.keys() != sent.keys():
        return False
    return all(kept[name] == sent[name] for name in sent.keys() - {"store", "result"})


def _as_written(
    run: WorkflowRun, status: RunStatus, body: dict[str, Any], answer: dict[str, Any]
) -> WorkflowRun:
    """Give the run as the API server has it now, parsed only where it is not as we wrote it.

    The write named the version that it was over, so all but the status is as it was. An API server
    whose definitions are older drops what these do not know.
    """
    if not _is_as_sent(body["status"], answer.get("status")):
        return read_run(answer)
    version = {"resource_version": answer["metadata"]["resourceVersion"]}
    metadata = run.metadata.model_copy(update=version)
    return run.model_copy(update={"metadata": metadata, "status": status, "unreadable": None})
