"""Views written in the background: each in its turn, and none that another write overtook."""

from collections.abc import Iterable

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write import refresher as module
from grctl_operator.runtime.write.refresher import AFTER_S, Refresher
from grctl_operator.views.team import Group

A, B = Key("shop", "a"), Key("shop", "b")


class Watch:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(watch: Watch, queue: WorkQueue, runs: Iterable[Key] = ()) -> Refresher:
    def runs_of(_: Group) -> Iterable[Key]:
        return runs

    return Refresher(queue, runs_of, watch)


async def test_a_run_whose_view_is_old_waits_for_its_turn() -> None:
    watch, queue = Watch(), WorkQueue()
    refresher = made(watch, queue)

    assert not refresher.may_write(A)
    assert refresher.give_turn() is None
    watch.now = AFTER_S
    assert refresher.give_turn() == A
    assert refresher.may_write(A)
    assert await queue.take() == A


async def test_one_run_at_a_time_has_its_turn_in_order() -> None:
    watch, queue = Watch(), WorkQueue()
    refresher = made(watch, queue)
    for key in (B, A, B):
        refresher.may_write(key)
    watch.now = AFTER_S

    assert refresher.give_turn() == B
    assert not refresher.may_write(A)
    assert len(queue) == 1
    assert refresher.give_turn() == A


async def test_a_difference_that_is_over_is_not_written() -> None:
    watch, queue = Watch(), WorkQueue()
    refresher = made(watch, queue)
    refresher.may_write(A)
    refresher.forget(A)
    watch.now = AFTER_S

    assert refresher.give_turn() is None
    assert len(queue) == 0


async def test_a_turn_is_over_once_the_run_shows_what_is_so() -> None:
    watch, queue = Watch(), WorkQueue()
    refresher = made(watch, queue)
    refresher.may_write(A)
    watch.now = AFTER_S
    refresher.give_turn()

    refresher.forget(A)

    assert not refresher.may_write(A)


async def test_the_runs_of_a_type_whose_workers_changed_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TOGETHER_S", 0.0)
    queue = WorkQueue()
    refresher = made(Watch(), queue, [A, B])

    refresher.note_change(("shop", "Order"))
    refresher.note_change(("shop", "Order"))

    assert [await queue.take(), await queue.take()] == [A, B]
    assert len(queue) == 0


async def test_nothing_is_looked_at_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER_S", 3600.0)
    queue = WorkQueue()
    refresher = made(Watch(), queue, [A])
    refresher.note_change(("shop", "Order"))

    refresher.close()

    assert not refresher._changed
