"""The history of a run is complete, also if operators and workers die while it comes about."""

import asyncio

from grctl.client import WorkflowHandle
from grctl.models import HistoryItem, HistoryKind
from tests.lab.lab import Lab
from tests.lab.waiting import PATIENCE_S

KILLS = 3
EVENTS_PER_KILL = 15


async def test_a_history_is_complete_over_failovers_and_lost_workers(lab: Lab) -> None:
    operator, worker = await lab.start_both()
    handle = await lab.start("order")
    following = asyncio.create_task(_follow(handle))
    for number in range(KILLS):
        payloads = range(number * EVENTS_PER_KILL, (number + 1) * EVENTS_PER_KILL)
        await asyncio.gather(*[handle.send("append", each) for each in payloads])
        for process in (operator, worker):
            process.kill()
            process.start()
    sent = KILLS * EVENTS_PER_KILL
    await lab.until_run("order", lambda run: run.status.events.processed == sent)
    await handle.send("done")
    followed = await asyncio.wait_for(following, PATIENCE_S)

    items = await handle.history()

    assert [each for each in items if each.kind is HistoryKind.GAP] == []
    events = [each.event for each in items if each.kind is HistoryKind.EVENT and each.event]
    assert [each.sequence for each in events] == list(range(1, sent + 2))
    assert sorted(each.payload for each in events[:-1]) == list(range(sent))
    told = await lab.grctl("history", "order")
    unknown = [each for each in items if each.kind is HistoryKind.EVENT and each.worker is None]
    assert told.count("worker not known") == len(unknown)
    assert _settled(followed) == _settled(items)


async def _follow(handle: WorkflowHandle) -> list[HistoryItem]:
    return [item async for item in handle.history().follow()]


def _settled(items: list[HistoryItem]) -> list[str]:
    """Return the names of the events that were settled, in the order in which they are told."""
    return [each.event.name for each in items if each.kind is HistoryKind.EVENT and each.event]
