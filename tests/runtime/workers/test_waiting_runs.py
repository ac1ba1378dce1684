"""Runs that wait for a worker, on real sockets; no API server."""

from grctl_operator.engine import decision
from grctl_operator.engine.observation import Key
from tests.runtime.played_worker import catalogue, connected, hello
from tests.runtime.workers.dispatcher_parts import KEY, ORDER, OTHER, Parts, run

INVOICE = catalogue("Invoice")


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
