"""A handler that was handed over ahead says that it waits for the commit of its base."""

import asyncio

from grctl.models.wire import RecordOperations
from grctl.worker.recording import Recorder
from tests.models.test_wire import EXECUTION


def recorder_and_sent() -> tuple[Recorder, "asyncio.Queue[RecordOperations]"]:
    sent: asyncio.Queue[RecordOperations] = asyncio.Queue()
    return Recorder(EXECUTION, sent.put), sent


async def test_a_handler_tells_the_operator_once_that_it_waits_for_its_base() -> None:
    recorder, sent = recorder_and_sent()
    committed = asyncio.Event()
    waiting = [asyncio.create_task(recorder.wait_for_base(committed)) for _ in range(3)]
    told = await sent.get()
    still_waits = not any(each.done() for each in waiting)
    committed.set()
    await asyncio.gather(*waiting)

    assert still_waits
    assert told == RecordOperations(execution=EXECUTION, entries={}, awaited=True)
    assert sent.empty()


async def test_a_handler_whose_base_is_committed_tells_nothing() -> None:
    recorder, sent = recorder_and_sent()
    committed = asyncio.Event()
    committed.set()
    await recorder.wait_for_base(committed)

    assert sent.empty()
