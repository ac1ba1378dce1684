"""A listening dispatcher and workers on real sockets; no API server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from grctl.models import FINALIZER, WorkflowRun
from grctl.models.directive import Complete
from grctl.models.phases import HandlerKind
from grctl.models.wire import (
    CONNECT_PATH,
    Declined,
    Goodbye,
    Hello,
    ReleaseExecution,
    Welcome,
    from_operator,
    split_messages,
)
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Event, Held, Key
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers import clear_workers, connections, decline_backoff
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.workers.worker_auth import Identity, RefusedError
from grctl_operator.runtime.workers.worker_session import WorkerSession
from grctl_operator.views.executions import ExecutionRegistry
from tests.runtime.played_worker import catalogue, connected, hello

KEY, OTHER = Key("shop", "order-1"), Key("shop", "order-2")
ORDER = catalogue("Order", "approve")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeAuth:
    """Takes the header for the name of the account; refuses what the test sets."""

    def __init__(self) -> None:
        self.refuses: str | None = None
        self.expires: datetime | None = None

    def check_header(self, authorization: str | None) -> None:
        pass

    async def identify(self, authorization: str | None) -> Identity:
        return Identity(authorization or "anonymous", expires=self.expires)

    async def authorize(self, _identity: Identity, _hello: Hello) -> None:
        if self.refuses:
            raise RefusedError(self.refuses)


class Parts:
    """A dispatcher that listens, and the parts around it."""

    def __init__(self, *namespaces: str) -> None:
        self.auth = FakeAuth()
        self.queue = WorkQueue()
        self.registry = ExecutionRegistry(lambda: NOON, time.monotonic, self.queue.add)
        self.journal = Journal(Metrics(), lambda: NOON)
        self.all_back = asyncio.Event()
        self.other_handlers: list[tuple[str, str]] = []
        """Types whose workers have other handlers, as told."""
        self.dispatcher = Dispatcher(
            self.registry,
            self.queue,
            self.journal,
            operator="op",
            auth=self.auth,
            on_outcome=self.queue.add,
            on_all_back=self.all_back.set,
            on_other_handlers=self.other_handlers.append,
            namespaces=namespaces,
            closed_grace=0.0,
            silent_grace=60.0,
        )
        self.dispatcher.gate.lead()

    @property
    def port(self) -> int:
        return self.dispatcher.port

    async def woken(self) -> Key:
        key = await self.queue.take()
        self.queue.done(key)
        return key

    def dispatch(self, key: Key = KEY, event: Event | None = None) -> None:
        kind, name = (HandlerKind.EVENT, "approve") if event else (HandlerKind.START, "start")
        effect = decision.Dispatch(kind, name, 1, commits=2, base="before", event=event)
        self.dispatcher.dispatch(key, run(key), effect)

    def held(self, key: Key = KEY) -> list[Held]:
        return list(self.registry.get_view(key, "Order").held)


def run(key: Key, workflow_type: str = "Order") -> WorkflowRun:
    return WorkflowRun.model_validate(
        {
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": f"uid of {key.name}",
                "finalizers": [FINALIZER],
            },
            "spec": {"workflow": {"type": workflow_type, "input": {"amount": 3}}},
            "status": {"store": {"paid": True}},
        }
    )


APPROVE = Event("e1", "approve-1", "approve", NOON, place=7, payload={"by": "ann"})


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    made = Parts()
    await made.dispatcher.start("127.0.0.1", 0)
    yield made
    await made.dispatcher.stop()


async def test_an_execution_carries_its_fence_its_input_and_the_store(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        start = await worker.executes()
    assert (start.payload, start.store) == ({"amount": 3}, {"paid": True})
    execution = start.execution
    assert (execution.run_uid, execution.commits, execution.base) == ("uid of order-1", 2, "before")


async def test_an_event_handler_gets_the_events_payload(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(event=APPROVE)
        execute = await worker.executes()
    assert execute.payload == {"by": "ann"}
    assert (execute.execution.event, execute.execution.event_uid) == ("approve-1", "e1")


async def test_a_dispatch_is_held_before_anything_is_awaited(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)):
        parts.dispatch()
        assert [each.worker for each in parts.held()] == ["worker-1"]


async def test_an_outcome_wakes_its_run_and_a_release_frees_the_worker(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER, capacity=1)) as worker:
        parts.dispatch()
        execute = await worker.executes()
        await worker.succeeds(execute, Complete())
        assert await parts.woken() == KEY
        parts.dispatcher.release(decision.Release(execute.execution.id, committed=True))
        parts.dispatch()
        await worker.executes()
        assert [each.committed for each in worker.releases] == [True]


async def test_messages_of_one_moment_share_a_frame(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        for key in (KEY, OTHER):
            parts.dispatch(key)
        came = split_messages(await worker.socket.receive_str(timeout=5))
    assert [from_operator.validate_json(each).kind for each in came] == ["execute", "execute"]


async def test_the_release_of_a_committed_execution_shares_the_next_frame(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(KEY)
        first = await worker.executes()
        parts.dispatcher.release(decision.Release(first.execution.id, committed=True))
        parts.dispatch(OTHER)
        came = split_messages(await worker.socket.receive_str(timeout=5))
    assert [from_operator.validate_json(each).kind for each in came] == ["release", "execute"]


async def test_a_waiting_run_is_woken_when_a_worker_of_its_type_connects(parts: Parts) -> None:
    parts.dispatcher.await_worker(KEY, run(KEY), decision.AwaitWorker())
    parts.dispatcher.on_reconciled(KEY)
    async with connected(parts.port, hello(ORDER)):
        assert await parts.woken() == KEY


async def test_a_run_whose_handler_no_worker_has_is_not_woken_by_room(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER, capacity=1)) as worker:
        parts.dispatch(Key("shop", "busy"))
        busy = await worker.executes()
        parts.dispatcher.await_worker(KEY, run(KEY), decision.AwaitWorker())
        parts.dispatcher.on_reconciled(KEY)
        parts.dispatcher.release(decision.Release(busy.execution.id, committed=True))
        assert len(parts.queue) == 0
        assert (parts.dispatcher.waiting, parts.dispatcher.without_handler) == (1, 1)


async def test_a_run_that_no_longer_waits_for_a_worker_leaves_the_line(parts: Parts) -> None:
    parts.dispatcher.await_worker(KEY, run(KEY), decision.AwaitWorker())
    parts.dispatcher.on_reconciled(KEY)
    parts.dispatcher.on_reconciled(KEY)  # it is gone, say

    assert (parts.dispatcher.waiting, parts.dispatcher.without_handler) == (0, 0)


async def test_a_worker_with_other_handlers_is_reported_with_its_type(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER)):
        async with connected(parts.port, hello(ORDER, worker="worker-2")):
            pass
        async with connected(parts.port, hello(catalogue("Order", "refund"), worker="worker-3")):
            pass
    assert parts.other_handlers[:2] == [("shop", "Order"), ("shop", "Order")]


async def test_the_dispatcher_tells_when_all_awaited_workers_are_back(parts: Parts) -> None:
    parts.registry.accept_workers(awaited=2)
    async with connected(parts.port, hello(ORDER, worker="worker-1")):
        assert not parts.all_back.is_set()
        async with connected(parts.port, hello(ORDER, worker="worker-2")):
            await parts.all_back.wait()


async def test_room_wakes_one_run_and_unused_room_the_next(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER, capacity=1)) as worker:
        parts.dispatch(Key("shop", "busy"))
        busy = await worker.executes()
        for key in (KEY, OTHER):
            parts.dispatch(key)
            parts.dispatcher.on_reconciled(key)
        parts.dispatcher.release(decision.Release(busy.execution.id, committed=True))
        assert await parts.woken() == KEY
        assert len(parts.queue) == 0
        parts.dispatcher.on_reconciled(KEY)  # it found nothing to dispatch any more
        assert await parts.woken() == OTHER


async def test_a_closed_connection_loses_its_executions_after_the_grace(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        await worker.executes()
    assert await parts.woken() == KEY
    assert [each.lost for each in parts.held()] == [True]


async def test_a_second_connection_of_one_process_replaces_the_first(parts: Parts) -> None:
    greeting = hello(ORDER, instance="a")
    async with connected(parts.port, greeting):
        async with connected(parts.port, greeting) as second:
            parts.dispatch()
            await second.executes()
        assert await parts.woken() == KEY  # lost with the second, not kept by the first


async def refused(port: int, message: str) -> str:
    """Send a message and return the text of the Goodbye."""
    return (await goodbye(port, message)).message


async def goodbye(port: int, message: str) -> Goodbye:
    """Send a message and return the Goodbye."""
    url = f"http://127.0.0.1:{port}{CONNECT_PATH}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(message)
        while True:
            answer = from_operator.validate_json(await socket.receive_str(timeout=5))
            if isinstance(answer, Goodbye):
                return answer


@pytest.mark.parametrize(
    ("lowest", "highest", "says"),
    [
        (9, None, "speaks protocol 9, the operator protocols 2 to 3: upgrade the operator"),
        (4, 9, "speaks protocols 4 to 9, the operator protocols 2 to 3: upgrade the operator"),
        (1, None, "speaks protocol 1, the operator protocols 2 to 3: upgrade the worker"),
    ],
)
async def test_a_worker_without_a_common_protocol_is_told_both_ranges_and_who_is_behind(
    parts: Parts, lowest: int, highest: int | None, says: str
) -> None:
    greeting = {"kind": "hello", "protocol": lowest, "protocolHighest": highest, "new": "words"}
    answer = await goodbye(parts.port, json.dumps(greeting))
    assert (answer.message, answer.refused) == (f"The worker {says}", True)


@pytest.mark.parametrize(
    ("spoken", "agreed"),
    [
        ({"protocol": 2}, 2),
        ({"protocol": 2, "protocolHighest": 3}, 3),
        ({"protocol": 1, "protocolHighest": 2}, 2),
        ({"protocol": 3, "protocolHighest": 99}, 3),
    ],
)
async def test_the_highest_common_protocol_is_used(
    parts: Parts, spoken: dict[str, int], agreed: int
) -> None:
    rest = {"worker": "w", "instance": "i", "namespace": "shop", "capacity": 1, "catalogues": []}
    greeting = json.dumps({"kind": "hello", **spoken, **rest})
    url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(greeting)
        welcome = from_operator.validate_json(await socket.receive_str(timeout=5))
    assert welcome == Welcome(operator="op", protocol=agreed)


@pytest.mark.parametrize("protocol", [0, -1, 10**30, "two", None, 2.5, [2]])
async def test_a_bad_protocol_is_refused_naming_the_field(parts: Parts, protocol: object) -> None:
    message = await refused(parts.port, json.dumps({"kind": "hello", "protocol": protocol}))
    assert "hello.protocol: Input should be" in message


async def test_a_bad_message_is_refused_naming_the_field(parts: Parts) -> None:
    message = await refused(parts.port, '{"kind": "hello", "worker": 3}')
    assert "hello.worker: Input should be a valid string" in message


async def test_the_first_message_must_be_hello(parts: Parts) -> None:
    assert "must be Hello, not 'drain'" in await refused(parts.port, '{"kind": "drain"}')


async def test_a_worker_without_the_permission_is_refused_and_told_not_to_hurry(
    parts: Parts,
) -> None:
    parts.auth.refuses = "orders may not execute Order"
    answer = await goodbye(parts.port, hello(ORDER).model_dump_json(by_alias=True))
    assert (answer.message, answer.refused) == ("orders may not execute Order", True)
    assert parts.registry.connected == 0


async def test_an_operator_of_one_namespace_refuses_workers_of_others() -> None:
    made = Parts("bank")
    await made.dispatcher.start("127.0.0.1", 0)
    message = await refused(made.port, hello(ORDER).model_dump_json(by_alias=True))
    await made.dispatcher.stop()
    assert message == "This operator serves only bank, not shop"


@pytest.mark.parametrize("expires", [None, NOON])
async def test_a_worker_that_lost_its_permission_is_disconnected(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, expires: datetime | None
) -> None:
    """At the next review, or when its token expires."""
    monkeypatch.setattr(connections, "REVIEW_AGAIN_S", 60.0 if expires else 0.01)
    monkeypatch.setattr(connections, "SHORTEST_REVIEW_PAUSE_S", 0.01)
    parts.auth.expires = expires
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.auth.refuses = "the token has expired"
        answer = from_operator.validate_json(await worker.socket.receive_str(timeout=5))
    assert answer == Goodbye(message="the token has expired")


async def test_an_outcome_of_the_execution_of_another_account_is_void(parts: Parts) -> None:
    async with (
        connected(parts.port, hello(ORDER), token="orders") as worker,
        connected(parts.port, hello(ORDER, worker="two", capacity=0), token="thief") as thief,
    ):
        parts.dispatch()
        execute = await worker.executes()
        await thief.succeeds(execute, Complete())
        released = await thief.hear(ReleaseExecution)
        assert (released.execution, released.committed) == (execute.execution.id, False)
        assert [(each.worker, each.outcome) for each in parts.held()] == [("worker-1", None)]


async def test_a_hello_does_not_take_over_the_execution_of_another_account(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER), token="orders") as worker:
        parts.dispatch()
        execute = await worker.executes()
        claim = hello(ORDER, worker="two", held=(execute.execution,))
        async with connected(parts.port, claim, token="thief") as thief:
            released = await thief.hear(ReleaseExecution)
            assert (released.execution, released.committed) == (execute.execution.id, False)
            assert [each.worker for each in parts.held()] == ["worker-1"]


async def test_a_hello_does_not_take_over_the_connection_of_another_account(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER, instance="a"), token="orders") as worker:
        url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
        headers = {"Authorization": "Bearer thief"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(url) as socket,
        ):
            await socket.send_str(hello(ORDER, instance="a").model_dump_json(by_alias=True))
            answer = from_operator.validate_json(await socket.receive_str(timeout=5))
        assert isinstance(answer, Goodbye)
        parts.dispatch()
        await worker.executes()


async def test_a_draining_worker_is_given_nothing(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(OTHER)
        execute = await worker.executes()
        await worker.drains()
        await worker.succeeds(execute, Complete())  # comes after Drain
        assert await parts.woken() == OTHER
        parts.dispatch()
        assert parts.held() == []


async def test_workers_are_told_goodbye_when_the_operator_stops() -> None:
    made = Parts()
    await made.dispatcher.start("127.0.0.1", 0)
    async with connected(made.port, hello(ORDER)) as worker:
        await made.dispatcher.stop()
        answer = from_operator.validate_json(await worker.socket.receive_str(timeout=5))
    assert isinstance(answer, Goodbye)


async def test_events_go_ahead_to_the_worker_that_holds_what_they_are_built_on(
    parts: Parts,
) -> None:
    reject = Event("e2", "reject-1", "reject", NOON, place=8, payload={"by": "bob"})
    other = hello(ORDER, worker="other", instance="other")
    async with connected(parts.port, hello(ORDER, capacity=1)) as worker:
        parts.dispatch()
        first = (await worker.executes()).execution
        async with connected(parts.port, other):
            parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.id, 3, APPROVE, reject))
            second, third = await worker.executes(), await worker.executes()
    assert [second.ahead, third.ahead] == [True, True]
    assert (second.execution.base, second.execution.commits) == (first.id, 3)
    assert (third.execution.base, third.execution.commits) == (second.execution.id, 4)
    assert (third.execution.handler_name, third.payload) == ("reject", {"by": "bob"})


async def test_no_event_goes_ahead_to_a_worker_that_left(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        first = (await worker.executes()).execution
    parts.dispatcher.dispatch(KEY, run(KEY), ahead_of("unknown", 3, APPROVE))
    assert [each.execution.id for each in parts.held()] == [first.id]


async def test_a_declined_execution_is_decided_again(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        execution = (await worker.executes()).execution.id
        await worker.say(Declined(execution=execution))
        assert await parts.woken() == KEY
    assert parts.held() == []


def ahead_of(base: str, commits: int, event: Event, *then: Event) -> decision.Dispatch:
    return decision.Dispatch(
        HandlerKind.EVENT,
        event.event_name,
        1,
        commits=commits,
        base=base,
        event=event,
        ahead=True,
        then=then,
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:8700", "null"])
async def test_a_web_page_cannot_connect_as_a_worker(parts: Parts, origin: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url, headers={"Origin": origin})
    assert caught.value.status == 403


# One run or worker must not stop the others.

INVOICE = catalogue("Invoice")


def dispatch_again(parts: Parts, key: Key = KEY, attempt: int = 2) -> None:
    """Dispatch a further attempt, as the engine does if a worker is clear."""
    effect = decision.Dispatch(HandlerKind.START, "start", attempt, 2, "before", alone=True)
    parts.dispatcher.dispatch(key, run(key), effect)


def ask_for_clear_worker(parts: Parts, key: Key = KEY) -> None:
    """Ask for a clear worker, as the engine does if there is none, and end the reconcile."""
    effect = decision.AwaitClearWorker(HandlerKind.START, "start")
    parts.dispatcher.await_clear_worker(key, run(key), effect)
    parts.dispatcher.await_worker(key, run(key), decision.AwaitWorker(room=True))
    parts.dispatcher.on_reconciled(key)


def is_clear(parts: Parts, key: Key = KEY) -> bool:
    return any(each.clear for each in parts.registry.get_view(key, "Order").workers)


async def test_a_worker_is_emptied_for_a_second_attempt_and_then_serves_all_again(
    parts: Parts,
) -> None:
    late = Key("shop", "late")
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(OTHER)
        first = await worker.executes()
        ask_for_clear_worker(parts)
        parts.dispatch(late)
        assert parts.held(late) == []
        parts.dispatcher.release(decision.Release(first.execution.id, committed=True))
        assert await parts.woken() == KEY
        assert is_clear(parts)
        dispatch_again(parts)
        second = await worker.executes()
        assert second.execution.attempt == 2
        parts.dispatcher.on_reconciled(KEY)
        assert not len(parts.queue)
        parts.dispatcher.release(decision.Release(second.execution.id, committed=True))
        assert await parts.woken() == late


async def test_an_endless_handler_does_not_hold_up_a_second_attempt_for_ever(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clear_workers, "SUSPECT_PATIENCE_S", 0.01)
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(OTHER)
        await worker.executes()
        ask_for_clear_worker(parts)
        assert await parts.woken() == KEY
        dispatch_again(parts)
        assert (await worker.executes()).execution.attempt == 2


async def test_a_run_that_no_longer_must_run_alone_frees_its_worker(parts: Parts) -> None:
    late = Key("shop", "late")
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(OTHER)
        await worker.executes()
        ask_for_clear_worker(parts)
        parts.dispatch(late)
        parts.dispatcher.on_reconciled(late)
        parts.dispatcher.on_reconciled(KEY)  # it was cancelled meanwhile, and asks for nothing
        assert {await parts.woken(), await parts.woken()} == {KEY, late}
        parts.dispatch(late)
        await worker.executes()


async def test_room_at_a_worker_is_offered_to_all_types_that_it_serves(parts: Parts) -> None:
    """The last execution may be of another type than the run that waits."""
    async with connected(parts.port, hello(ORDER, INVOICE, capacity=1)) as worker:
        parts.dispatch()
        execute = await worker.executes()
        parts.dispatcher.await_worker(OTHER, run(OTHER, "Invoice"), decision.AwaitWorker(room=True))
        parts.dispatcher.on_reconciled(OTHER)
        parts.dispatcher.release(decision.Release(execute.execution.id, committed=True))
        assert await parts.woken() == OTHER


async def test_a_worker_with_a_known_catalogue_wakes_as_many_runs_as_it_takes(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER, capacity=1)) as worker:
        parts.dispatch(Key("shop", "busy"))
        await worker.executes()
        for key in (KEY, OTHER):
            parts.dispatch(key)
            parts.dispatcher.on_reconciled(key)
        async with connected(parts.port, hello(ORDER, worker="two", capacity=1)):
            assert await parts.woken() == KEY
            assert not len(parts.queue)
        async with connected(parts.port, hello(catalogue("Order", "pay"), worker="three")):
            assert {await parts.woken(), await parts.woken()} == {KEY, OTHER}


async def test_room_for_many_runs_is_used_by_many(parts: Parts) -> None:
    waiting = [Key("shop", f"late-{number}") for number in range(3)]
    async with connected(parts.port, hello(ORDER)) as worker:
        dispatch_again(parts)
        alone = await worker.executes()
        for key in waiting:
            parts.dispatch(key)
            parts.dispatcher.on_reconciled(key)
        parts.dispatcher.release(decision.Release(alone.execution.id, committed=True))
        for _ in waiting:
            parts.dispatch(await parts.woken())
            await worker.executes()


async def test_a_worker_that_declined_gets_nothing_for_a_while(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decline_backoff, "FIRST_REST_S", 3600.0)
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        await worker.say(Declined(execution=(await worker.executes()).execution.id))
        assert await parts.woken() == KEY
        parts.dispatch()
        assert parts.held() == []
        async with connected(parts.port, hello(ORDER, worker="two")) as willing:
            assert await parts.woken() == KEY
            parts.dispatch()
            await willing.executes()


async def test_a_worker_that_declined_gets_executions_again_after_its_rest(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decline_backoff, "FIRST_REST_S", 0.001)
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        await worker.say(Declined(execution=(await worker.executes()).execution.id))
        assert await parts.woken() == KEY
        parts.dispatch()
        parts.dispatcher.on_reconciled(KEY)
        if not parts.held():
            assert await parts.woken() == KEY
            parts.dispatch()
        await worker.executes()


async def test_declining_an_event_that_came_ahead_costs_a_worker_nothing(
    parts: Parts,
) -> None:
    """A run that does not go on waiting makes its worker decline what came ahead."""
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        first = (await worker.executes()).execution
        parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.id, 3, APPROVE))
        ahead = (await worker.executes()).execution
        await worker.say(Declined(execution=ahead.id))
        assert await parts.woken() == KEY
        parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.id, 3, APPROVE))
        assert [each.execution.id for each in parts.held()] == [first.id]
        parts.dispatch(OTHER)
        await worker.executes()


async def test_the_runs_of_a_worker_that_fell_silent_are_reconciled(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerSession, "is_silent", True)
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch(KEY)
        await worker.executes()
    assert await parts.woken() == KEY
    presences = parts.registry.get_view(KEY, "Order").workers
    assert [each.connected for each in presences] == [False]
