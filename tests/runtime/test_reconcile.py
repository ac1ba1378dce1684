"""One reconcile at a time, with decisions made by the test and time moved by it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.json.raw_json import RawJson
from grctl.kube import CORE_EVENTS, RUNS, ApiError, ConflictError, UnreachableError
from grctl.models import HandlerKind, WorkflowRun
from grctl.models.run import Wait
from grctl_operator.engine import Urgency, decide
from grctl_operator.engine.decision import Announce, Decision, Dispatch, Hold, LetGo
from grctl_operator.engine.observation import Events, Executions, Key
from grctl_operator.runtime.batching import WRITE_BATCH_WINDOW_S
from grctl_operator.runtime.parts import Parts
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.timing import Why
from grctl_operator.runtime.wiring import ActingParts, DecidingParts
from grctl_operator.runtime.workers.worker_auth import NoAuth
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import RunCache
from tests.runtime.conftest import Cluster, Json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Rule = Callable[[WorkflowRun, datetime], Decision]

APART = timedelta(seconds=WRITE_BATCH_WINDOW_S)


class Clock:
    """Both clocks, moved by the test: the API server's, and a monotonic one with real timers."""

    known = True

    def __init__(self) -> None:
        self.present = NOON
        self.monotonic_ahead = timedelta()
        """How far the monotonic clock is ahead of the API server's."""

    def now(self) -> datetime:
        return self.present

    def past_or_long_ago(self, moment: datetime) -> datetime:
        return moment

    def time(self) -> float:
        return (self.present + self.monotonic_ahead - NOON).total_seconds()

    def call_at(
        self, when: float, callback: Callable[[Key], None], key: Key
    ) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(when - self.time(), callback, key)


class Runtime:
    """The parts that reconcile, with an engine and clocks of the test."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.api = cluster, cluster.api
        self.key = Key(cluster.namespace, "order-1")
        self.clock, self.metrics = Clock(), Metrics()
        self.runs, self.events = RunCache(), EventCaches([cluster.namespace])
        self.decide: Callable[..., Decision] = decide
        self.seen: list[str | None] = []
        """The version of the run in each decision."""
        self._parts = Parts(
            on_failure=lambda: None, on_restored=lambda _: None, on_end=lambda *_: None
        )
        deciding = DecidingParts(
            self.runs,
            self.events,
            clock=self.clock,  # type: ignore[arg-type]
            metrics=self.metrics,
            auth=NoAuth(),
            decide=self._ask,
            timers=self.clock,
            namespaces=(cluster.namespace,),
        )
        acting = ActingParts(
            self.api,
            self.runs,
            self.events,
            deciding,
            clock=self.clock,  # type: ignore[arg-type]
            metrics=self.metrics,
            spawn=self._parts.keep,
            on_known=lambda _: None,
            on_turn_left=lambda: None,
            namespaces=(cluster.namespace,),
        )
        self.queue, self.timing = deciding.queue, deciding.timing
        self.dispatcher = deciding.dispatcher
        self.rereader, self.announcer = acting.rereader, acting.announcer
        self.loop, self._watches = acting.reconcile_loop, acting.watches
        self._reconciler = acting.reconciler
        self.queue.unblock_namespace(cluster.namespace)  # as if its lists were complete

    def begin(self) -> None:
        """Watch runs, reconcile what is queued, and write core Events."""
        self._watches.start_runs()
        self._parts.keep(self.loop.run, "reconcile")
        self._parts.keep(self.announcer.run, "announce")

    async def stop(self) -> None:
        await self._parts.cancel()
        self.timing.close()

    async def take(self) -> None:
        """Take the key out of the queue, as a reconcile does that decides nothing."""
        assert await self.queue.take() == self.key
        self.timing.begin(self.key)
        self.queue.done(self.key)

    def _ask(self, *what: Any, **how: Any) -> Decision:
        return self.decide(*what, **how)

    def decides(self, rule: Rule) -> None:
        """Decide by a rule of the test instead of the engine."""

        def by_rule(
            run: WorkflowRun | None,
            _events: Events,
            _executions: Executions,
            now: datetime,
            **_: Any,
        ) -> Decision:
            self.seen.append(run.metadata.resource_version if run else None)
            return rule(run, now) if run else Decision()

        self.decide = by_rule

    async def start(self) -> Json:
        item = await self.cluster.start("order-1")
        self.runs.on_answer(item)
        return item

    async def touch(self) -> Json:
        path = RUNS.path(self.cluster.namespace, "order-1")
        return await self.cluster.api.merge(path, {"metadata": {"labels": {"seen": "yes"}}})

    async def message(self) -> str:
        run = await self.cluster.run("order-1")
        return str(run["status"].get("message", ""))

    async def reconcile(self) -> None:
        await self._reconciler.reconcile(self.key)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.value(name, **labels)


@pytest.fixture
async def runtime(cluster: Cluster) -> AsyncIterator[Runtime]:
    made = Runtime(cluster)
    yield made
    await made.stop()


def says(message: str, run: WorkflowRun, **fields: Any) -> Any:
    return run.status.model_copy(update={"message": message, **fields})


async def test_a_view_is_written_when_it_is_due_and_not_before(runtime: Runtime) -> None:
    await runtime.start()
    due = NOON + timedelta(seconds=0.25)
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.FOR_PEOPLE, now))
    await runtime.reconcile()
    assert await runtime.message() == ""
    runtime.clock.present = due
    await runtime.reconcile()
    assert await runtime.message() == "waits"


async def test_a_view_that_changes_again_is_due_when_it_first_differed(runtime: Runtime) -> None:
    await runtime.start()
    runtime.decides(
        lambda run, now: Decision(says(f"at {now:%S.%f}", run), Urgency.FOR_PEOPLE, so_since=now)
    )
    await runtime.reconcile()
    runtime.clock.present += timedelta(seconds=0.2)
    await runtime.reconcile()
    assert await runtime.message() == ""
    runtime.clock.present += timedelta(seconds=0.2)
    await runtime.reconcile()
    assert await runtime.message() == "at 00.400000"


async def test_a_view_that_became_true_by_itself_is_never_written(runtime: Runtime) -> None:
    await runtime.start()
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.FOR_PEOPLE, now))
    await runtime.reconcile()
    runtime.decides(lambda run, now: Decision())
    await runtime.reconcile()
    runtime.clock.present = NOON + timedelta(seconds=1)
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.FOR_PEOPLE, now))
    await runtime.reconcile()
    assert await runtime.message() == ""


async def test_after_a_write_the_key_is_reconciled_again_upon_the_answer(runtime: Runtime) -> None:
    await runtime.start()
    runtime.decides(
        lambda run, now: Decision(says("commits", run, commits=1), Urgency.NOW, look_again_at=now)
    )
    await runtime.reconcile()
    assert await runtime.queue.take() == runtime.key
    known = runtime.runs.get_version(runtime.key)
    assert known is not None
    assert known.commits == runtime.counted("grctl_commits_total") == 1
    assert runtime.events.of(runtime.key).get_view(runtime.key).complete_for == (known.uid, 1)


async def test_after_a_write_that_leaves_nothing_due_other_keys_come_first(
    runtime: Runtime,
) -> None:
    await runtime.start()
    runtime.decides(lambda run, now: Decision(says("waits", run, commits=1), Urgency.NOW))
    await runtime.reconcile()
    at_once = len(runtime.queue)
    assert (at_once, await runtime.queue.take()) == (0, runtime.key)


async def test_a_commit_soon_after_another_waits_for_the_next_and_is_written_with_it(
    runtime: Runtime,
) -> None:
    await runtime.start()
    outcomes = 1
    runtime.decides(
        lambda run, now: Decision(
            says(f"{outcomes} committed", run, commits=outcomes),
            Urgency.BATCHED,
        )
    )
    await runtime.reconcile()
    assert await runtime.message() == "1 committed"
    await runtime.take()  # it looks again, once
    outcomes, runtime.clock.present = 2, NOON + APART / 2
    await runtime.reconcile()
    assert await runtime.message() == "1 committed"
    outcomes, runtime.clock.present = 3, NOON + APART
    assert await runtime.queue.take() == runtime.key
    await runtime.reconcile()
    assert await runtime.message() == "3 committed"
    assert runtime.counted("grctl_commits_total") == 2


async def test_an_outcome_soon_after_a_write_is_looked_at_when_the_run_may_be_written_again(
    runtime: Runtime,
) -> None:
    await runtime.start()
    queue, wait = runtime.queue, Wait(since=NOON)
    runtime.decides(
        lambda run, now: Decision(says("waits", run, commits=1, wait=wait), Urgency.BATCHED)
    )
    await runtime.reconcile()
    await runtime.take()  # it looks again, once
    runtime.timing.add(runtime.key, why=Why.OUTCOME)
    soon = len(queue)
    await runtime.take()
    runtime.clock.present = NOON + APART
    runtime.timing.add(runtime.key, why=Why.OUTCOME)
    assert (soon, len(queue)) == (0, 1)


async def test_a_deferred_outcome_is_written_although_the_server_clock_steps_back(
    runtime: Runtime,
) -> None:
    await runtime.start()
    outcomes = 1
    runtime.decides(
        lambda run, now: Decision(
            says(f"{outcomes} committed", run, commits=outcomes), Urgency.BATCHED
        )
    )
    await runtime.reconcile()
    outcomes = 2
    await runtime.reconcile()
    hour = timedelta(hours=1)
    runtime.clock.monotonic_ahead = hour
    runtime.clock.present = NOON + 2 * APART - hour
    await runtime.reconcile()
    assert await runtime.message() == "2 committed"


async def test_while_outcomes_are_deferred_the_engine_is_told_so(runtime: Runtime) -> None:
    await runtime.start()
    asked: list[tuple[datetime, bool]] = []

    def decide(run: WorkflowRun, *what: Any, defer_outcomes: bool) -> Decision:
        asked.append((what[-1], defer_outcomes))
        if defer_outcomes:
            return Decision(urgency=Urgency.BATCHED)
        return Decision(says("waits", run, commits=len(asked)), Urgency.BATCHED)

    runtime.decide = decide
    for parts in (0, 1, 2, 4):
        runtime.clock.present = NOON + APART * parts / 4
        await runtime.reconcile()
    assert [deferred for _, deferred in asked] == [False, False, True, False]
    assert runtime.counted("grctl_commits_total") == 2


async def test_an_outcome_of_an_unknown_run_is_looked_at_at_once(runtime: Runtime) -> None:
    runtime.timing.add(runtime.key, why=Why.OUTCOME)
    assert len(runtime.queue) == 1


async def test_a_written_run_is_known_as_the_api_server_has_it(runtime: Runtime) -> None:
    await runtime.start()
    store = {"none": None, "rate": 0.5, "ids": [1, 2]}
    runtime.decides(lambda run, now: Decision(says("waits", run, store=store), Urgency.NOW))
    await runtime.reconcile()
    written = WorkflowRun.model_validate(await runtime.cluster.run("order-1"))
    assert runtime.runs.get(runtime.key) == written
    assert written.status.store == store


async def test_a_status_that_an_older_api_server_cut_is_known_as_it_was_stored(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.start()
    api = runtime.api
    replace = api.replace

    async def drop(path: str, body: Json, params: Any = None) -> Json:
        status = {name: value for name, value in body["status"].items() if name != "message"}
        return await replace(path, {**body, "status": status}, params)

    monkeypatch.setattr(api, "replace", drop)
    runtime.decides(lambda run, now: Decision(says("waits", run, commits=1), Urgency.NOW))
    await runtime.reconcile()
    known = runtime.runs.get(runtime.key)
    assert known is not None
    assert (known.status.message, known.status.commits) == ("", 1)


async def test_a_run_that_changed_meanwhile_is_read_before_the_next_decision(
    runtime: Runtime,
) -> None:
    await runtime.start()
    touched = await runtime.touch()
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    with pytest.raises(ConflictError):
        await runtime.reconcile()
    runtime.rereader.add([runtime.key])
    await runtime.reconcile()
    assert runtime.seen[1] == touched["metadata"]["resourceVersion"]
    assert await runtime.message() == "waits"


def _dispatches(run: WorkflowRun, now: datetime) -> Decision:
    return Decision(before=(Dispatch(HandlerKind.STEP, "pay", 1, commits=1, base="x"),))


async def test_a_run_that_another_operator_wrote_is_read_before_its_first_dispatch(
    runtime: Runtime,
) -> None:
    known = await runtime.start()
    touched = await runtime.touch()  # the watch has not shown it yet
    runtime.rereader.add_written_by_others([runtime.key])
    runtime.decides(_dispatches)
    await runtime.reconcile()
    waited = runtime.dispatcher.waiting
    await runtime.take()
    for _ in range(2):
        await runtime.reconcile()
    versions = [each["metadata"]["resourceVersion"] for each in (known, touched, touched)]
    assert runtime.seen == versions
    assert (waited, runtime.dispatcher.waiting, len(runtime.queue)) == (0, 1, 0)


async def test_a_run_that_another_operator_wrote_is_not_read_for_anything_but_a_dispatch(
    runtime: Runtime,
) -> None:
    known = await runtime.start()
    await runtime.touch()
    runtime.rereader.add_written_by_others([runtime.key])
    runtime.decides(lambda run, now: Decision())
    for _ in range(2):
        await runtime.reconcile()
    assert runtime.seen == [known["metadata"]["resourceVersion"]] * 2


async def test_a_write_whose_answer_was_lost_is_found_written(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.start()
    replace = runtime.api.replace

    async def loses_the_answer(path: str, body: Json) -> Json:
        await replace(path, body)
        raise UnreachableError("the connection broke")

    monkeypatch.setattr(runtime.api, "replace", loses_the_answer)
    commits = []

    def rule(run: WorkflowRun, now: datetime) -> Decision:
        commits.append(run.status.commits)
        return (
            Decision(says("commits", run, commits=1), Urgency.NOW)
            if not commits[-1]
            else Decision()
        )

    runtime.decides(rule)
    await runtime.loop.attempt(runtime.key)
    await runtime.reconcile()
    assert commits == [0, 1]
    assert runtime.events.of(runtime.key).get_view(runtime.key).complete_for is None


async def test_the_effects_of_a_commit_without_an_answer_are_performed_once_it_is_found(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.start()
    replace = runtime.api.replace

    async def loses_the_answer(path: str, body: Json) -> Json:
        await replace(path, body)
        raise UnreachableError("the connection broke")

    monkeypatch.setattr(runtime.api, "replace", loses_the_answer)
    runtime.decides(_commit_once)
    await runtime.loop.attempt(runtime.key)
    assert runtime.counted("grctl_commits_total") == 0
    for _ in range(2):
        runtime.rereader.add([runtime.key])
        await runtime.reconcile()
    assert runtime.counted("grctl_commits_total") == 1
    assert [each.notice.reason for each in _told(runtime)] == ["Rejected"]


async def test_a_commit_that_was_not_stored_is_not_announced(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.start()

    async def is_away(path: str, body: Json) -> Json:
        raise UnreachableError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr(runtime.api, "replace", is_away)
        runtime.decides(_commit_once)
        await runtime.loop.attempt(runtime.key)
    runtime.decides(lambda run, now: Decision())
    await runtime.reconcile()
    assert runtime.counted("grctl_commits_total") == 0
    assert _told(runtime) == []


def _commit_once(run: WorkflowRun, now: datetime) -> Decision:
    if run.status.commits:
        return Decision()
    told = (Announce("Rejected", "nobody takes it", warning=True),)
    store = {"order": RawJson(b'{"n":1.0}')}
    return Decision(says("commits", run, commits=1, store=store), Urgency.NOW, after=told)


def _told(runtime: Runtime) -> list[Any]:
    return list(runtime.announcer._notices._waiting.values())


async def test_a_run_that_is_gone_is_forgotten(runtime: Runtime) -> None:
    item = await runtime.start()
    path = RUNS.path(runtime.cluster.namespace, "order-1")
    await runtime.cluster.api.merge(path, {"metadata": {"finalizers": None}})
    await runtime.cluster.api.delete(path)
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    await runtime.loop.attempt(runtime.key)
    await runtime.reconcile()
    assert runtime.seen == [item["metadata"]["resourceVersion"], None]


async def test_an_effect_that_changed_the_run_comes_before_a_new_decision(runtime: Runtime) -> None:
    await runtime.start()
    path = RUNS.path(runtime.cluster.namespace, "order-1")
    item = await runtime.cluster.api.merge(path, {"metadata": {"finalizers": None}})
    runtime.runs.on_answer(item)
    runtime.decides(
        lambda run, now: (
            Decision(says("waits", run), Urgency.NOW, before=(Hold(),))
            if not run.held
            else Decision()
        )
    )
    await runtime.reconcile()
    assert await runtime.message() == ""
    assert (await runtime.cluster.run("order-1"))["metadata"]["finalizers"] == ["grctl.dev/settle"]
    assert await runtime.queue.take() == runtime.key


async def test_a_run_let_go_is_gone_at_once_and_keeps_finalizers_of_others(
    runtime: Runtime,
) -> None:
    await runtime.start()
    path = RUNS.path(runtime.cluster.namespace, "order-1")
    both = {"metadata": {"finalizers": ["grctl.dev/settle", "example.com/other"]}}
    await runtime.cluster.api.merge(path, both)
    runtime.runs.on_answer(await runtime.cluster.api.delete(path))
    runtime.runs.on_answer(await runtime.cluster.run("order-1"))
    runtime.decides(lambda run, now: Decision(before=(LetGo(),)))
    await runtime.reconcile()
    left = await runtime.cluster.run("order-1")
    assert left["metadata"]["finalizers"] == ["example.com/other"]


async def test_a_failing_reconcile_is_told_on_its_run_and_others_go_on(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    item = await runtime.start()
    other = Key(runtime.cluster.namespace, "order-2")
    runtime.runs.on_answer(await runtime.cluster.start("order-2"))

    def rule(run: WorkflowRun, now: datetime) -> Decision:
        if run.metadata.name == "order-1":
            raise ZeroDivisionError("by nothing")
        return Decision(says("waits", run), Urgency.NOW) if not run.status.message else Decision()

    runtime.decides(rule)
    runtime.queue.add(runtime.key)
    runtime.queue.add(other)
    runtime.begin()
    await runtime.cluster.until_run("order-2", lambda run: run["status"].get("message") == "waits")
    told = await runtime.cluster.until_core_event(item["metadata"]["uid"])
    assert told["reason"] == "ReconcileFailed"
    assert "by nothing" in told["message"]
    assert runtime.counted("grctl_reconcile_errors_total", cause="fault") >= 1
    assert "ZeroDivisionError" in caplog.text


async def test_a_status_that_is_refused_as_too_large_is_replaced_by_one_that_fits(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.start()
    replace = runtime.api.replace

    async def refuses_stores(path: str, body: Json) -> Json:
        if body["status"]["store"]:
            raise ApiError(500, "", "etcdserver: request is too large")
        return await replace(path, body)

    monkeypatch.setattr(runtime.api, "replace", refuses_stores)
    runtime.decides(
        lambda run, now: Decision(says("", run, store={"a": 1}, commits=1), Urgency.NOW)
    )
    await runtime.reconcile()
    status = (await runtime.cluster.run("order-1"))["status"]
    assert (status["phase"], status["error"]["type"]) == ("Failed", "TooLarge")
    assert "refused the run's status as too large" in status["message"]
    known = runtime.runs.get_version(runtime.key)
    assert known is not None
    assert known.commits == 1


async def test_a_run_of_which_every_status_is_too_large_is_told_and_left_alone(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await runtime.start()

    async def refuses(path: str, body: Json) -> Json:
        raise ApiError(413, "RequestEntityTooLarge", "Request entity too large")

    monkeypatch.setattr(runtime.api, "replace", refuses)
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    await runtime.loop.attempt(runtime.key)
    assert runtime.queue.idle
    assert not runtime.timing._timers
    runtime.begin()
    told = await runtime.cluster.until_core_event(item["metadata"]["uid"], "ReconcileFailed")
    assert "waits until it is changed" in told["message"]


async def test_an_api_server_in_trouble_is_not_the_runs_failure(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.start()

    async def unavailable(path: str, body: Json) -> Json:
        raise ApiError(503, "ServiceUnavailable", "etcd is away")

    monkeypatch.setattr(runtime.api, "replace", unavailable)
    runtime.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    await runtime.loop.attempt(runtime.key)
    monkeypatch.undo()
    await runtime.reconcile()
    assert await runtime.message() == "waits"
    assert runtime.counted("grctl_reconcile_errors_total", cause="api") == 1
    assert runtime.counted("grctl_reconcile_errors_total", cause="fault") == 0


async def test_many_keys_leave_other_tasks_their_turns(runtime: Runtime) -> None:
    runtime.decides(lambda run, now: Decision())
    for number in range(1000):
        runtime.queue.add(Key(runtime.cluster.namespace, f"order-{number}"))
    reconciling = asyncio.create_task(runtime.loop.run())
    turns = 0
    while not runtime.queue.idle:
        await asyncio.sleep(0)
        turns += 1
    reconciling.cancel()
    assert turns >= 1000


async def test_an_object_that_cannot_be_read_is_told_on_it(runtime: Runtime) -> None:
    item = await runtime.start()
    await runtime.cluster.api.merge(
        RUNS.path(runtime.cluster.namespace, "order-1", "status"),
        {"status": {"settled": [{"x": 1}]}},
    )
    runtime.begin()
    told = await runtime.cluster.until_core_event(item["metadata"]["uid"])
    assert told["reason"] == "Unreadable"


async def test_a_state_that_is_found_at_each_reconcile_is_told_once(runtime: Runtime) -> None:
    item = await runtime.start()
    said = (
        Announce("NoWorker", "none", since=NOON),
        Announce("Restored", "a copy", since=NOON),
    )
    runtime.decides(lambda run, now: Decision(before=said))
    await runtime.reconcile()
    await runtime.reconcile()
    runtime.begin()
    await runtime.cluster.until_core_event(item["metadata"]["uid"], reason="Restored")
    told = {each["reason"]: each["count"] for each in await runtime.cluster.events(CORE_EVENTS)}
    assert told == {"NoWorker": 1, "Restored": 1}


async def test_what_is_decided_knows_in_which_revision_the_run_was_first_seen(
    runtime: Runtime,
) -> None:
    asked: list[int | None] = []

    def decide(_run: object, events: Events, *_: object, **__: object) -> Decision:
        asked.append(events.run_first_revision)
        return Decision()

    runtime.decide = decide
    created = await runtime.start()
    touched = await runtime.touch()
    runtime.runs.on_answer(touched)
    runtime.events.of(runtime.key).on_answer(await runtime.cluster.send("order-1", "approve"))

    await runtime.reconcile()

    assert asked == [int(created["metadata"]["resourceVersion"])]
