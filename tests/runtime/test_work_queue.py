import asyncio

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.work_queue import MAX_TURNS_PER_SWEPT_KEY, WorkQueue

A, B, C = Key("shop", "a"), Key("shop", "b"), Key("shop", "c")


async def drained(queue: WorkQueue) -> list[Key]:
    keys = []
    while len(queue):
        key = await queue.take()
        keys.append(key)
        queue.done(key)
    return keys


async def test_a_key_added_twice_is_taken_once() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.add(A)
    assert await drained(queue) == [A]


async def test_keys_take_turns_in_the_order_of_their_adding() -> None:
    queue = WorkQueue()
    for key in (B, A, C, A):
        queue.add(key)
    assert await drained(queue) == [B, A, C]


async def test_a_key_added_while_it_is_busy_comes_again_when_done() -> None:
    queue = WorkQueue()
    queue.add(A)
    assert await queue.take() == A
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert await drained(queue) == [A]


async def test_a_busy_key_comes_again_behind_those_that_waited() -> None:
    queue = WorkQueue()
    queue.add(A)
    await queue.take()
    queue.add(A)
    queue.add(B)
    queue.done(A)
    assert await drained(queue) == [B, A]


async def test_a_taker_waits_until_there_is_a_key() -> None:
    queue = WorkQueue()
    taker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taker.done()
    queue.add(A)
    assert await taker == A


async def test_a_taker_that_leaves_loses_no_key() -> None:
    queue = WorkQueue()
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(A)
    first.cancel()
    assert await second == A


async def test_a_queue_is_idle_only_when_no_key_waits_and_none_is_busy() -> None:
    queue = WorkQueue()
    idle = [queue.idle]
    queue.add(A)
    idle.append(queue.idle)
    await queue.take()
    idle.append(queue.idle)
    queue.done(A)
    idle.append(queue.idle)
    assert idle == [True, False, False, True]


async def test_a_paused_queue_keeps_its_keys_and_hands_out_none() -> None:
    queue = WorkQueue()
    queue.pause()
    queue.add(A)
    taker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taker.done()
    queue.resume()
    assert await taker == A


async def test_a_queue_is_finished_when_no_key_is_busy() -> None:
    queue = WorkQueue()
    queue.add(A)
    await queue.take()
    waiting = asyncio.create_task(queue.finished())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(A)
    await waiting


def numbered(count: int) -> list[Key]:
    return [Key("shop", str(number)) for number in range(count)]


async def test_swept_keys_wait_for_those_that_something_happened_to() -> None:
    queue = WorkQueue()
    queue.sweep([A, B])
    queue.add(C)
    assert await drained(queue) == [C, A, B]


async def test_a_sweep_has_its_share_of_the_turns_however_busy_the_queue_is() -> None:
    queue = WorkQueue()
    queue.sweep([A, B])
    for key in numbered(2 * MAX_TURNS_PER_SWEPT_KEY):
        queue.add(key)
    first = (await drained(queue))[: 2 * MAX_TURNS_PER_SWEPT_KEY]
    assert A in first
    assert B in first


async def test_a_swept_key_that_something_happens_to_comes_once_and_at_once() -> None:
    queue = WorkQueue()
    queue.sweep([A, B])
    queue.add(B)
    assert len(queue) == 2
    assert await drained(queue) == [B, A]


async def test_a_key_that_waits_needs_no_sweep() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.sweep([A])
    assert await drained(queue) == [A]


async def test_a_key_that_is_swept_while_it_is_reconciled_is_reconciled_again() -> None:
    queue = WorkQueue()
    queue.add(A)
    key = await queue.take()
    queue.sweep([A])
    queue.done(key)
    assert await drained(queue) == [A]


async def test_keys_of_a_blocked_namespace_are_kept_until_it_is_unblocked() -> None:
    queue, blocked, other = WorkQueue(), Key("bad", "run-1"), Key("good", "run-2")
    queue.block_namespace("bad")
    queue.sweep([Key("bad", "run-3")])
    for key in (blocked, other, blocked):
        queue.add(key)
    assert await queue.take() == other
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(blocked)
    await asyncio.sleep(0)
    assert not taking.done()
    queue.unblock_namespace("bad")
    taken = {await taking, await queue.take()}
    assert taken == {blocked, Key("bad", "run-3")}
    assert len(queue) == 0


async def test_a_namespace_that_two_block_has_to_be_unblocked_by_both() -> None:
    queue, key = WorkQueue(), Key("bad", "run-1")
    queue.block_namespace("bad")
    queue.block_namespace("bad")
    queue.add(key)
    queue.unblock_namespace("bad")
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.unblock_namespace("bad")
    assert await taking == key


async def test_a_key_that_is_busy_while_its_namespace_is_blocked_is_not_lost() -> None:
    queue, key = WorkQueue(), Key("bad", "run-1")
    queue.add(key)
    assert await queue.take() == key
    queue.block_namespace("bad")
    queue.add(key)
    queue.done(key)
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.unblock_namespace("bad")
    assert await taking == key
