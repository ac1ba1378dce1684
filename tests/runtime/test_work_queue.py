import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.work_queue import FIRST_RETRY, LONGEST_RETRY, SHARE, SOON, WorkQueue

A, B, C = Key("shop", "a"), Key("shop", "b"), Key("shop", "c")


@dataclass
class Timer:
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class VirtualTime:
    """A loop's timers, moved by hand."""

    now: float = 100.0
    timers: list[tuple[float, int, Timer, Callable[[Key], None], Key]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[Key], None], key: Key) -> Timer:
        timer = Timer()
        heappush(self.timers, (when, next(self.numbers), timer, callback, key))
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while self.timers and self.timers[0][0] <= self.now:
            _, _, timer, callback, key = heappop(self.timers)
            if not timer.cancelled:
                callback(key)


async def drained(queue: WorkQueue) -> list[Key]:
    keys = []
    while len(queue):
        key = await queue.take()
        keys.append(key)
        queue.done(key)
    return keys


async def test_a_key_added_twice_is_taken_once() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add(A)
    queue.add(A)
    assert await drained(queue) == [A]


async def test_keys_take_turns_in_the_order_of_their_adding() -> None:
    queue = WorkQueue(VirtualTime())
    for key in (B, A, C, A):
        queue.add(key)
    assert await drained(queue) == [B, A, C]


async def test_a_key_added_while_it_is_busy_comes_again_when_done() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add(A)
    assert await queue.take() == A
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert await drained(queue) == [A]


async def test_a_busy_key_comes_again_behind_those_that_waited() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add(A)
    await queue.take()
    queue.add(A)
    queue.add(B)
    queue.done(A)
    assert await drained(queue) == [B, A]


async def test_a_taker_waits_until_there_is_a_key() -> None:
    queue = WorkQueue(VirtualTime())
    taker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taker.done()
    queue.add(A)
    assert await taker == A


async def test_a_taker_that_leaves_loses_no_key() -> None:
    queue = WorkQueue(VirtualTime())
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(A)
    first.cancel()
    assert await second == A


async def test_a_key_for_later_comes_when_its_time_has_come() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_in(A, 5.0)
    time.advance(4.9)
    assert await drained(queue) == []
    time.advance(0.2)
    assert await drained(queue) == [A]


async def test_of_two_times_the_earlier_counts() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_in(A, 5.0)
    queue.add_in(A, 1.0)
    queue.add_in(A, 9.0)
    time.advance(1.1)
    assert await drained(queue) == [A]
    time.advance(20.0)
    assert await drained(queue) == []


async def test_when_the_clock_is_another_every_key_that_waits_for_a_moment_is_looked_at() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_in(A, 3600.0)
    queue.wake_all()
    assert await drained(queue) == [A]
    time.advance(7200.0)
    assert await drained(queue) == []


async def test_what_is_due_soon_can_be_had_at_once() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add_in(A, 2.0)
    queue.add_in(B, 3.0)

    queue.wake_within(2.5)

    assert await drained(queue) == [A]


async def test_taking_a_key_forgets_its_wake_up() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_in(A, 5.0)
    queue.add(A)
    assert await drained(queue) == [A]
    time.advance(10.0)
    assert await drained(queue) == []


async def test_a_failing_key_waits_longer_each_time_up_to_a_limit() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    waited = []
    for _ in range(12):
        queue.retry(A)
        start = time.now
        while not len(queue):
            time.advance(FIRST_RETRY / 2)
        waited.append(time.now - start)
        await drained(queue)
    assert waited == sorted(waited)
    assert waited[0] <= 2 * FIRST_RETRY
    assert LONGEST_RETRY <= waited[-1] <= LONGEST_RETRY + FIRST_RETRY


async def test_a_success_makes_the_next_failure_wait_shortly_again() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    for _ in range(6):
        queue.retry(A)
        time.advance(LONGEST_RETRY)
        await drained(queue)
    queue.forget(A)
    queue.retry(A)
    time.advance(FIRST_RETRY)
    assert await drained(queue) == [A]


async def test_a_closed_queue_wakes_nobody() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_in(A, 1.0)
    queue.close()
    time.advance(2.0)
    assert await drained(queue) == []


async def test_it_is_idle_only_when_nothing_waits_and_nothing_is_busy() -> None:
    queue = WorkQueue(VirtualTime())
    idle = [queue.idle]
    queue.add(A)
    idle.append(queue.idle)
    await queue.take()
    idle.append(queue.idle)
    queue.done(A)
    idle.append(queue.idle)
    assert idle == [True, False, False, True]


async def test_a_paused_queue_keeps_its_keys_and_gives_none() -> None:
    queue = WorkQueue(VirtualTime())
    queue.pause()
    queue.add(A)
    taker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taker.done()
    queue.resume()
    assert await taker == A


async def test_a_queue_that_goes_on_forgives_what_failed_meanwhile() -> None:
    queue = WorkQueue(VirtualTime())
    queue.pause()
    queue.retry(A)
    queue.resume()
    assert await drained(queue) == [A]


async def test_all_is_finished_when_no_key_is_busy() -> None:
    queue = WorkQueue(VirtualTime())
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
    queue = WorkQueue(VirtualTime())
    queue.sweep([A, B])
    queue.add(C)
    assert await drained(queue) == [C, A, B]


async def test_a_sweep_has_its_share_of_the_turns_however_busy_the_queue_is() -> None:
    queue = WorkQueue(VirtualTime())
    queue.sweep([A, B])
    for key in numbered(2 * SHARE):
        queue.add(key)
    first = (await drained(queue))[: 2 * SHARE]
    assert A in first
    assert B in first


async def test_a_swept_key_that_something_happens_to_comes_once_and_at_once() -> None:
    queue = WorkQueue(VirtualTime())
    queue.sweep([A, B])
    queue.add(B)
    assert len(queue) == 2
    assert await drained(queue) == [B, A]


async def test_a_key_that_waits_needs_no_sweep() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add(A)
    queue.sweep([A])
    assert await drained(queue) == [A]


async def test_a_key_that_is_swept_while_it_is_reconciled_is_reconciled_again() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add(A)
    key = await queue.take()
    queue.sweep([A])
    queue.done(key)
    assert await drained(queue) == [A]


async def test_what_has_time_comes_with_the_next_thing_that_happens() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_soon(A)
    at_once = await drained(queue)
    queue.add(A)
    together = await drained(queue)
    time.advance(SOON)
    assert (at_once, together, await drained(queue)) == ([], [A], [])


async def test_what_has_time_comes_a_moment_later_if_nothing_else_happens() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add_soon(A)
    time.advance(SOON)
    assert await drained(queue) == [A]


async def test_what_has_time_adds_nothing_to_what_waits_already() -> None:
    time = VirtualTime()
    queue = WorkQueue(time)
    queue.add(A)
    queue.add_soon(A)
    taken = await drained(queue)
    time.advance(SOON)
    assert (taken, await drained(queue)) == ([A], [])


async def test_when_the_clock_is_another_a_key_under_way_is_looked_at_once_more() -> None:
    queue = WorkQueue(VirtualTime())
    queue.add(A)
    assert await queue.take() == A
    queue.wake_all()
    queue.add_in(A, 3600.0)  # what was decided by the old clock
    queue.done(A)
    assert await drained(queue) == [A]


async def test_keys_of_a_held_namespace_are_kept_until_it_is_released() -> None:
    queue, held, other = WorkQueue(), Key("bad", "run-1"), Key("good", "run-2")
    queue.hold("bad")
    queue.sweep([Key("bad", "run-3")])
    for key in (held, other, held):
        queue.add(key)
    assert await queue.take() == other
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(held)
    await asyncio.sleep(0)
    assert not taking.done()
    queue.release("bad")
    taken = {await taking, await queue.take()}
    assert taken == {held, Key("bad", "run-3")}
    assert len(queue) == 0


async def test_a_namespace_that_two_hold_is_released_by_both() -> None:
    queue, key = WorkQueue(), Key("bad", "run-1")
    queue.hold("bad")
    queue.hold("bad")
    queue.add(key)
    queue.release("bad")
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.release("bad")
    assert await taking == key


async def test_a_key_that_is_busy_while_its_namespace_is_held_is_not_lost() -> None:
    queue, key = WorkQueue(), Key("bad", "run-1")
    queue.add(key)
    assert await queue.take() == key
    queue.hold("bad")
    queue.add(key)
    queue.done(key)
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.release("bad")
    assert await taking == key
