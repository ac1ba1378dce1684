"""Views written in the background: each in its turn, and none that another write overtook."""

from collections.abc import Iterable

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write import refresher as module
from grctl_operator.runtime.write.refresher import REFRESH_AFTER_S, Refresher
from grctl_operator.views.team import Group

A, B = Key("shop", "a"), Key("shop", "b")


class ManualClock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(clock: ManualClock, queue: WorkQueue, runs: Iterable[Key] = ()) -> Refresher:
    def runs_of(_: Group) -> Iterable[Key]:
        return runs

    return Refresher(queue, runs_of, clock)


async def test_a_run_whose_view_is_old_waits_for_its_turn() -> None:
    clock, queue = ManualClock(), WorkQueue()
    refresher = made(clock, queue)

    assert not refresher.may_write(A)
    assert refresher.grant_turn() is None
    clock.now = REFRESH_AFTER_S
    assert refresher.grant_turn() == A
    assert refresher.may_write(A)
    assert await queue.take() == A


async def test_one_run_at_a_time_has_its_turn_in_order() -> None:
    clock, queue = ManualClock(), WorkQueue()
    refresher = made(clock, queue)
    for key in (B, A, B):
        refresher.may_write(key)
    clock.now = REFRESH_AFTER_S

    assert refresher.grant_turn() == B
    assert not refresher.may_write(A)
    assert len(queue) == 1
    assert refresher.grant_turn() == A


async def test_a_difference_that_is_over_is_not_written() -> None:
    clock, queue = ManualClock(), WorkQueue()
    refresher = made(clock, queue)
    refresher.may_write(A)
    refresher.forget(A)
    clock.now = REFRESH_AFTER_S

    assert refresher.grant_turn() is None
    assert len(queue) == 0


async def test_a_turn_is_over_once_the_run_shows_the_present_catalogues() -> None:
    clock, queue = ManualClock(), WorkQueue()
    refresher = made(clock, queue)
    refresher.may_write(A)
    clock.now = REFRESH_AFTER_S
    refresher.grant_turn()

    refresher.forget(A)

    assert not refresher.may_write(A)


async def test_the_runs_of_a_type_whose_workers_changed_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CATALOGUE_GATHER_S", 0.0)
    queue = WorkQueue()
    refresher = made(ManualClock(), queue, [A, B])

    refresher.note_change(("shop", "Order"))
    refresher.note_change(("shop", "Order"))

    assert [await queue.take(), await queue.take()] == [A, B]
    assert len(queue) == 0


async def test_a_closed_refresher_looks_at_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CATALOGUE_GATHER_S", 3600.0)
    queue = WorkQueue()
    refresher = made(ManualClock(), queue, [A])
    refresher.note_change(("shop", "Order"))

    refresher.close()

    assert not refresher._changed
