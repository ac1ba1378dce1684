"""The signals that stop a worker, beside processes that its handlers start."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from typing import Any

import pytest

from grctl.worker.signals import STOP_SIGNALS, stopping_signals

FORK = multiprocessing.get_context("fork")


def wait_for_a_signal(begun: Any = None) -> None:
    if begun is not None:
        begun.set()
    while True:
        time.sleep(0.1)  # `signal.pause` would miss a signal that arrives just before it


class StopCounter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def the_loop_has_read_its_signals() -> None:
    """Wait until the loop has read all earlier signals from its descriptor, by one more signal."""
    came = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, came.set)
    os.kill(os.getpid(), signal.SIGUSR2)
    async with asyncio.timeout(60):
        await came.wait()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR2)


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_a_signal_for_a_child_ends_the_child_and_not_the_worker(
    number: signal.Signals,
) -> None:
    stops = StopCounter()
    with stopping_signals(stops):
        begun = FORK.Event()
        child = FORK.Process(target=wait_for_a_signal, args=(begun,), daemon=True)
        child.start()
        assert child.pid is not None
        begun.wait(60)
        os.kill(child.pid, number)
        child.join(60)
        await the_loop_has_read_its_signals()

    assert child.exitcode in {-number, 1}  # 1: KeyboardInterrupt, as multiprocessing reports it
    assert stops.count == 0


async def test_a_child_of_a_thread_is_ended_by_a_signal_that_comes_at_once() -> None:
    stops = StopCounter()
    codes: list[int | None] = []

    def start_and_terminate() -> None:
        child = FORK.Process(target=wait_for_a_signal, daemon=True)
        child.start()
        child.terminate()
        child.join(60)
        codes.append(child.exitcode)

    with stopping_signals(stops):
        await asyncio.to_thread(start_and_terminate)
        await the_loop_has_read_its_signals()

    assert codes == [-signal.SIGTERM]
    assert stops.count == 0


async def test_the_worker_is_stopped_by_its_own_signals_after_it_forked() -> None:
    stopped = asyncio.Event()
    with stopping_signals(stopped.set):
        child = FORK.Process(target=int)
        child.start()
        child.join(60)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(60):
            await stopped.wait()

    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()).isdisjoint(STOP_SIGNALS)


async def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(each) for each in STOP_SIGNALS]
    with stopping_signals(StopCounter()):
        assert [signal.getsignal(each) for each in STOP_SIGNALS] != before

    assert [signal.getsignal(each) for each in STOP_SIGNALS] == before


def test_another_thread_than_the_main_one_takes_no_signals() -> None:
    failures: list[BaseException] = []

    def use() -> None:
        try:
            with stopping_signals(StopCounter()):
                pass
        except BaseException as error:  # noqa: BLE001  the test shows it
            failures.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()

    assert failures == []
