"""A run that must run alone, beside runs that wait. Workers on real sockets; no API server."""

import pytest

from grctl.models.phases import HandlerKind
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.workers import clear_workers
from tests.runtime.played_worker import connected, hello
from tests.runtime.workers.dispatcher_parts import KEY, ORDER, OTHER, Parts, run


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
