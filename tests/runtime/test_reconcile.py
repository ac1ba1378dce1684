"""One reconcile at a time, with decisions made by the test and time moved by it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.kube import CORE_EVENTS, RUNS, ApiError, ConflictError, UnreachableError
from grctl.models import WorkflowRun
from grctl.models.run import Wait
from grctl_operator.engine import Urgency
from grctl_operator.engine.decision import Announce, Decision, Hold, LetGo
from grctl_operator.engine.observation import Events, Executions, Key
from grctl_operator.runtime.batching import WRITE_BATCH_WINDOW_S
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import Settings
from grctl_operator.runtime.timing import Why
from tests.runtime.conftest import Cluster, Json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Rule = Callable[[WorkflowRun, datetime], Decision]

APART = timedelta(seconds=WRITE_BATCH_WINDOW_S)


class Seconds:
    """The time of the monotonic clock, moved by the test, and timers that really run."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        self.ahead = timedelta()
        """How far it is ahead of the API server's clock."""

    def time(self) -> float:
        return (self._bench.time + self.ahead - NOON).total_seconds()

    def call_at(
        self, when: float, callback: Callable[[Key], None], key: Key
    ) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(when - self.time(), callback, key)


class Bench:
    def __init__(self, cluster: Cluster, operator: Operator) -> None:
        self.cluster = cluster
        self.operator = operator
        self.reconciler = operator._reconciler
        self.loop = operator._loop
        self.questions = operator._questions
        self.key = Key(cluster.namespace, "order-1")
        self.time = NOON
        self.seconds = Seconds(self)
        self.seen: list[str | None] = []

    def now(self) -> datetime:
        return self.time

    async def take(self) -> None:
        """Take the key out of the queue, as a reconcile does that decides nothing."""
        assert await self.operator.queue.take() == self.key
        self.operator.timing.begin(self.key)
        self.operator.queue.done(self.key)

    def decides(self, rule: Rule) -> None:
        def decide(
            run: WorkflowRun | None,
            _events: Events,
            _executions: Executions,
            now: datetime,
            **_: Any,
        ) -> Decision:
            self.seen.append(run.metadata.resource_version if run else None)
            return rule(run, now) if run else Decision()

        self.questions._decide = decide

    async def start(self) -> Json:
        item = await self.cluster.start("order-1")
        self.operator.runs.on_answer(item)
        return item

    async def touch(self) -> Json:
        path = RUNS.path(self.cluster.namespace, "order-1")
        return await self.cluster.api.merge(path, {"metadata": {"labels": {"seen": "yes"}}})

    async def message(self) -> str:
        run = await self.cluster.run("order-1")
        return str(run["status"].get("message", ""))

    async def reconcile(self) -> None:
        await self.reconciler.reconcile(self.key)

    def counted(self, name: str, **labels: str) -> float:
        return self.operator.metrics.value(name, **labels)


@pytest.fixture
async def bench(cluster: Cluster) -> AsyncIterator[Bench]:
    operator = Operator(
        Settings(namespaces=(cluster.namespace,), kubeconfig=cluster.kubeconfig, dispatcher_port=0)
    )
    await operator.connect()
    made = Bench(cluster, operator)
    operator._questions._now = made.now
    operator.timing._now = made.now
    operator.timing._loop = made.seconds
    operator.api.fence = None  # it leads nobody: the test decides when it reconciles
    operator.queue.release(cluster.namespace)  # as if its lists were complete
    yield made
    await operator.stop()


def says(message: str, run: WorkflowRun, **fields: Any) -> Any:
    return run.status.model_copy(update={"message": message, **fields})


async def test_a_view_is_written_when_it_is_due_and_not_before(bench: Bench) -> None:
    await bench.start()
    due = NOON + timedelta(seconds=0.25)
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.FOR_PEOPLE, now))
    await bench.reconcile()
    assert await bench.message() == ""
    bench.time = due
    await bench.reconcile()
    assert await bench.message() == "waits"


async def test_of_deadlines_that_move_on_the_first_counts(bench: Bench) -> None:
    await bench.start()
    bench.decides(
        lambda run, now: Decision(says(f"at {now:%S.%f}", run), Urgency.FOR_PEOPLE, so_since=now)
    )
    await bench.reconcile()
    bench.time += timedelta(seconds=0.2)
    await bench.reconcile()
    assert await bench.message() == ""
    bench.time += timedelta(seconds=0.2)
    await bench.reconcile()
    assert await bench.message() == "at 00.400000"


async def test_a_view_that_became_true_by_itself_is_never_written(bench: Bench) -> None:
    await bench.start()
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.FOR_PEOPLE, now))
    await bench.reconcile()
    bench.decides(lambda run, now: Decision())
    await bench.reconcile()
    bench.time = NOON + timedelta(seconds=1)
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.FOR_PEOPLE, now))
    await bench.reconcile()
    assert await bench.message() == ""


async def test_after_a_write_the_key_is_reconciled_again_upon_the_answer(bench: Bench) -> None:
    await bench.start()
    bench.decides(
        lambda run, now: Decision(says("commits", run, commits=1), Urgency.NOW, look_again_at=now)
    )
    await bench.reconcile()
    assert await bench.operator.queue.take() == bench.key
    known = bench.operator.runs.get_version(bench.key)
    assert known is not None
    assert known.commits == bench.counted("grctl_commits_total") == 1
    assert bench.operator.events.of(bench.key).get_view(bench.key).complete_for == (known.uid, 1)


async def test_after_a_write_that_leaves_nothing_due_other_keys_come_first(bench: Bench) -> None:
    await bench.start()
    bench.decides(lambda run, now: Decision(says("waits", run, commits=1), Urgency.NOW))
    await bench.reconcile()
    at_once = len(bench.operator.queue)
    assert (at_once, await bench.operator.queue.take()) == (0, bench.key)


async def test_a_commit_soon_after_another_waits_for_the_next_and_is_written_with_it(
    bench: Bench,
) -> None:
    await bench.start()
    outcomes = 1
    bench.decides(
        lambda run, now: Decision(
            says(f"{outcomes} committed", run, commits=outcomes),
            Urgency.BATCHED,
        )
    )
    await bench.reconcile()
    assert await bench.message() == "1 committed"
    await bench.take()  # it looks again, once
    outcomes, bench.time = 2, NOON + APART / 2
    await bench.reconcile()
    assert await bench.message() == "1 committed"
    outcomes, bench.time = 3, NOON + APART
    assert await bench.operator.queue.take() == bench.key
    await bench.reconcile()
    assert await bench.message() == "3 committed"
    assert bench.counted("grctl_commits_total") == 2


async def test_an_outcome_soon_after_a_write_is_looked_at_when_the_run_may_be_written_again(
    bench: Bench,
) -> None:
    await bench.start()
    queue, wait = bench.operator.queue, Wait(since=NOON)
    bench.decides(
        lambda run, now: Decision(says("waits", run, commits=1, wait=wait), Urgency.BATCHED)
    )
    await bench.reconcile()
    await bench.take()  # it looks again, once
    bench.operator.timing.add(bench.key, why=Why.OUTCOME)
    soon = len(queue)
    await bench.take()
    bench.time = NOON + APART
    bench.operator.timing.add(bench.key, why=Why.OUTCOME)
    assert (soon, len(queue)) == (0, 1)


async def test_an_outcome_that_was_put_off_is_written_though_the_server_clock_steps_back(
    bench: Bench,
) -> None:
    await bench.start()
    outcomes = 1
    bench.decides(
        lambda run, now: Decision(
            says(f"{outcomes} committed", run, commits=outcomes), Urgency.BATCHED
        )
    )
    await bench.reconcile()
    outcomes = 2
    await bench.reconcile()
    hour = timedelta(hours=1)
    bench.seconds.ahead = hour
    bench.time = NOON + 2 * APART - hour
    await bench.reconcile()
    assert await bench.message() == "2 committed"


async def test_while_outcomes_are_deferred_the_engine_is_told_so(bench: Bench) -> None:
    await bench.start()
    asked: list[tuple[datetime, bool]] = []

    def decide(run: WorkflowRun, *what: Any, batching: bool) -> Decision:
        asked.append((what[-1], batching))
        if batching:
            return Decision(urgency=Urgency.BATCHED)
        return Decision(says("waits", run, commits=len(asked)), Urgency.BATCHED)

    bench.questions._decide = decide
    for parts in (0, 1, 2, 4):
        bench.time = NOON + APART * parts / 4
        await bench.reconcile()
    assert [batching for _, batching in asked] == [False, False, True, False]
    assert bench.counted("grctl_commits_total") == 2


async def test_an_outcome_of_a_run_that_is_not_known_is_looked_at_at_once(bench: Bench) -> None:
    bench.operator.timing.add(bench.key, why=Why.OUTCOME)
    assert len(bench.operator.queue) == 1


async def test_a_written_run_is_known_as_the_api_server_has_it(bench: Bench) -> None:
    await bench.start()
    store = {"none": None, "rate": 0.5, "ids": [1, 2]}
    bench.decides(lambda run, now: Decision(says("waits", run, store=store), Urgency.NOW))
    await bench.reconcile()
    written = WorkflowRun.model_validate(await bench.cluster.run("order-1"))
    assert bench.operator.runs.get(bench.key) == written
    assert written.status.store == store


async def test_what_an_older_api_server_dropped_of_a_status_is_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()
    api = bench.operator.api
    replace = api.replace

    async def drop(path: str, body: Json, params: Any = None) -> Json:
        status = {name: value for name, value in body["status"].items() if name != "message"}
        return await replace(path, {**body, "status": status}, params)

    monkeypatch.setattr(api, "replace", drop)
    bench.decides(lambda run, now: Decision(says("waits", run, commits=1), Urgency.NOW))
    await bench.reconcile()
    known = bench.operator.runs.get(bench.key)
    assert known is not None
    assert (known.status.message, known.status.commits) == ("", 1)


async def test_a_run_that_changed_meanwhile_is_read_before_the_next_decision(
    bench: Bench,
) -> None:
    await bench.start()
    touched = await bench.touch()
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    with pytest.raises(ConflictError):
        await bench.reconcile()
    bench.operator._unsure.add([bench.key])
    await bench.reconcile()
    assert bench.seen[1] == touched["metadata"]["resourceVersion"]
    assert await bench.message() == "waits"


async def test_a_write_whose_answer_was_lost_is_found_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()
    replace = bench.operator.api.replace

    async def loses_the_answer(path: str, body: Json) -> Json:
        await replace(path, body)
        raise UnreachableError("the connection broke")

    monkeypatch.setattr(bench.operator.api, "replace", loses_the_answer)
    commits = []

    def rule(run: WorkflowRun, now: datetime) -> Decision:
        commits.append(run.status.commits)
        return (
            Decision(says("commits", run, commits=1), Urgency.NOW)
            if not commits[-1]
            else Decision()
        )

    bench.decides(rule)
    await bench.loop.attempt(bench.key)
    await bench.reconcile()
    assert commits == [0, 1]
    assert bench.operator.events.of(bench.key).get_view(bench.key).complete_for is None


async def test_what_follows_from_a_commit_without_an_answer_is_done_once_it_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()
    replace = bench.operator.api.replace

    async def loses_the_answer(path: str, body: Json) -> Json:
        await replace(path, body)
        raise UnreachableError("the connection broke")

    monkeypatch.setattr(bench.operator.api, "replace", loses_the_answer)
    bench.decides(_commit_once)
    await bench.loop.attempt(bench.key)
    assert bench.counted("grctl_commits_total") == 0
    for _ in range(2):
        bench.operator._unsure.add([bench.key])
        await bench.reconcile()
    assert bench.counted("grctl_commits_total") == 1
    assert [each.notice.reason for each in _told(bench)] == ["Rejected"]


async def test_a_commit_that_was_not_stored_is_not_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()

    async def is_away(path: str, body: Json) -> Json:
        raise UnreachableError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr(bench.operator.api, "replace", is_away)
        bench.decides(_commit_once)
        await bench.loop.attempt(bench.key)
    bench.decides(lambda run, now: Decision())
    await bench.reconcile()
    assert bench.counted("grctl_commits_total") == 0
    assert _told(bench) == []


def _commit_once(run: WorkflowRun, now: datetime) -> Decision:
    if run.status.commits:
        return Decision()
    told = (Announce("Rejected", "nobody takes it", warning=True),)
    return Decision(says("commits", run, commits=1), Urgency.NOW, after=told)


def _told(bench: Bench) -> list[Any]:
    return list(bench.operator._announcer._notices._waiting.values())


async def test_a_run_that_is_gone_is_forgotten(bench: Bench) -> None:
    item = await bench.start()
    path = RUNS.path(bench.cluster.namespace, "order-1")
    await bench.cluster.api.merge(path, {"metadata": {"finalizers": None}})
    await bench.cluster.api.delete(path)
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    await bench.loop.attempt(bench.key)
    await bench.reconcile()
    assert bench.seen == [item["metadata"]["resourceVersion"], None]


async def test_an_effect_that_changed_the_run_comes_before_a_new_decision(bench: Bench) -> None:
    await bench.start()
    path = RUNS.path(bench.cluster.namespace, "order-1")
    item = await bench.cluster.api.merge(path, {"metadata": {"finalizers": None}})
    bench.operator.runs.on_answer(item)
    bench.decides(
        lambda run, now: (
            Decision(says("waits", run), Urgency.NOW, before=(Hold(),))
            if not run.held
            else Decision()
        )
    )
    await bench.reconcile()
    assert await bench.message() == ""
    assert (await bench.cluster.run("order-1"))["metadata"]["finalizers"] == ["grctl.dev/settle"]
    assert await bench.operator.queue.take() == bench.key


async def test_a_run_let_go_is_gone_at_once_and_keeps_finalizers_of_others(bench: Bench) -> None:
    await bench.start()
    path = RUNS.path(bench.cluster.namespace, "order-1")
    both = {"metadata": {"finalizers": ["grctl.dev/settle", "example.com/other"]}}
    await bench.cluster.api.merge(path, both)
    bench.operator.runs.on_answer(await bench.cluster.api.delete(path))
    bench.operator.runs.on_answer(await bench.cluster.run("order-1"))
    bench.decides(lambda run, now: Decision(before=(LetGo(),)))
    await bench.reconcile()
    left = await bench.cluster.run("order-1")
    assert left["metadata"]["finalizers"] == ["example.com/other"]


async def test_a_failing_reconcile_is_told_on_its_run_and_others_go_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    item = await bench.start()
    other = Key(bench.cluster.namespace, "order-2")
    bench.operator.runs.on_answer(await bench.cluster.start("order-2"))

    def rule(run: WorkflowRun, now: datetime) -> Decision:
        if run.metadata.name == "order-1":
            raise ZeroDivisionError("by nothing")
        return Decision(says("waits", run), Urgency.NOW) if not run.status.message else Decision()

    bench.decides(rule)
    bench.operator.queue.add(bench.key)
    bench.operator.queue.add(other)
    bench.operator.begin()
    await bench.cluster.until_run("order-2", lambda run: run["status"].get("message") == "waits")
    told = await bench.cluster.until_core_event(item["metadata"]["uid"])
    assert told["reason"] == "ReconcileFailed"
    assert "by nothing" in told["message"]
    assert bench.counted("grctl_reconcile_errors_total", cause="fault") >= 1
    assert "ZeroDivisionError" in caplog.text


async def test_a_status_that_is_refused_as_too_large_is_replaced_by_one_that_fits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()
    replace = bench.operator.api.replace

    async def refuses_stores(path: str, body: Json) -> Json:
        if body["status"]["store"]:
            raise ApiError(500, "", "etcdserver: request is too large")
        return await replace(path, body)

    monkeypatch.setattr(bench.operator.api, "replace", refuses_stores)
    bench.decides(lambda run, now: Decision(says("", run, store={"a": 1}, commits=1), Urgency.NOW))
    await bench.reconcile()
    status = (await bench.cluster.run("order-1"))["status"]
    assert (status["phase"], status["error"]["type"]) == ("Failed", "TooLarge")
    assert "refused the run's status as too large" in status["message"]
    known = bench.operator.runs.get_version(bench.key)
    assert known is not None
    assert known.commits == 1


async def test_a_run_of_which_every_status_is_too_large_is_told_and_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await bench.start()

    async def refuses(path: str, body: Json) -> Json:
        raise ApiError(413, "RequestEntityTooLarge", "Request entity too large")

    monkeypatch.setattr(bench.operator.api, "replace", refuses)
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    await bench.loop.attempt(bench.key)
    assert bench.operator.queue.idle
    assert not bench.operator.timing._timers
    bench.operator.begin()
    told = await bench.cluster.until_core_event(item["metadata"]["uid"], "ReconcileFailed")
    assert "waits until it is changed" in told["message"]


async def test_an_api_server_in_trouble_is_not_the_runs_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()

    async def unavailable(path: str, body: Json) -> Json:
        raise ApiError(503, "ServiceUnavailable", "etcd is away")

    monkeypatch.setattr(bench.operator.api, "replace", unavailable)
    bench.decides(lambda run, now: Decision(says("waits", run), Urgency.NOW))
    await bench.loop.attempt(bench.key)
    monkeypatch.undo()
    await bench.reconcile()
    assert await bench.message() == "waits"
    assert bench.counted("grctl_reconcile_errors_total", cause="api") == 1
    assert bench.counted("grctl_reconcile_errors_total", cause="fault") == 0


async def test_many_keys_leave_other_tasks_their_turns(bench: Bench) -> None:
    bench.decides(lambda run, now: Decision())
    for number in range(1000):
        bench.operator.queue.add(Key(bench.cluster.namespace, f"order-{number}"))
    reconciling = asyncio.create_task(bench.loop.run())
    turns = 0
    while not bench.operator.queue.idle:
        await asyncio.sleep(0)
        turns += 1
    reconciling.cancel()
    assert turns >= 1000


async def test_an_object_that_cannot_be_read_is_told_on_it(bench: Bench) -> None:
    item = await bench.start()
    await bench.cluster.api.merge(
        RUNS.path(bench.cluster.namespace, "order-1", "status"), {"status": {"settled": [{"x": 1}]}}
    )
    bench.operator.begin()
    told = await bench.cluster.until_core_event(item["metadata"]["uid"])
    assert told["reason"] == "Unreadable"


async def test_a_state_that_is_found_at_each_reconcile_is_told_once(bench: Bench) -> None:
    item = await bench.start()
    said = (
        Announce("NoWorker", "none", since=NOON),
        Announce("Restored", "a copy", since=NOON),
    )
    bench.decides(lambda run, now: Decision(before=said))
    await bench.reconcile()
    await bench.reconcile()
    bench.operator.begin()
    await bench.cluster.until_core_event(item["metadata"]["uid"], reason="Restored")
    told = {each["reason"]: each["count"] for each in await bench.cluster.events(CORE_EVENTS)}
    assert told == {"NoWorker": 1, "Restored": 1}


async def test_what_is_decided_knows_in_which_revision_the_run_was_first_seen(bench: Bench) -> None:
    asked: list[int | None] = []

    def decide(_run: object, events: Events, *_: object, **__: object) -> Decision:
        asked.append(events.run_since)
        return Decision()

    bench.questions._decide = decide
    created = await bench.start()
    touched = await bench.touch()
    bench.operator.runs.on_answer(touched)
    bench.operator.events.of(bench.key).on_answer(await bench.cluster.send("order-1", "approve"))

    await bench.reconcile()

    assert asked == [int(created["metadata"]["resourceVersion"])]
