"""A listening dispatcher and workers on real sockets; no API server."""

import pytest

from grctl.models.directive import Complete
from grctl.models.wire import (
    Goodbye,
    ReleaseExecution,
    from_operator,
    split_messages,
)
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Event
from grctl_operator.runtime.workers.worker_session import WorkerSession
from tests.runtime.played_worker import catalogue, connected, hello
from tests.runtime.workers.dispatcher_parts import (
    APPROVE,
    KEY,
    NOON,
    ORDER,
    OTHER,
    Parts,
    ahead_of,
    run,
)


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
