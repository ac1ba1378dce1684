"""What people are told about a run outlives its operator, and agrees with what was committed."""

import asyncio
import itertools

from grctl.client import WorkflowHandle
from grctl.models import EventPhase
from grctl.models.history import HistoryItem, HistoryKind
from grctl_operator.engine.retention import DEFAULT_KEPT_EVENTS_COUNT
from tests.lab.lab import Lab
from tests.lab.waiting import PATIENCE_S
from tests.scenarios.durable.acting import start_run

EVENTS = 12
MANY_EVENTS = 5_000
SENDERS = 8
FLOOD_PATIENCE_S = 6 * PATIENCE_S


def _handled(items: list[HistoryItem]) -> list[tuple[str, object]]:
    """Return the names and payloads of the events that were handled, in order."""
    return [
        (each.event.name, each.event.payload)
        for each in items
        if each.event and each.event.phase is EventPhase.PROCESSED
    ]


async def test_the_history_is_complete_after_a_failover(lab: Lab) -> None:
    operator, worker = await lab.start_both()
    handle = await start_run(lab)
    bodies = ["one" if number % 3 else "two" for number in range(EVENTS)]
    sent = [await handle.send("act", body) for body in bodies[: EVENTS // 2]]
    await sent[-2].settled()
    operator.kill()
    sent += [await handle.send("act", body) for body in bodies[EVENTS // 2 :]]
    worker.kill()
    worker.start()
    operator.start()
    for each in sent:
        assert (await each.settled()).phase is EventPhase.PROCESSED
    items = await handle.history()
    assert _handled(items) == [
        (each.name, body) for each, body in zip(sent, bodies, strict=True)
    ], "in the order in which they were sent"
    assert HistoryKind.GAP not in {each.kind for each in items}
    last = items[-1]
    assert (last.handler, last.worker, last.tasks) == ("act", "worker", "charge")
    assert last.began_at is not None
    assert bodies[-1] in await lab.grctl("history", "a", "-o", "json")


async def test_the_history_of_many_events_names_what_was_removed(lab: Lab) -> None:
    await lab.start_both()
    handle = await lab.start("a")
    await _send_many(handle)
    await lab.until_run("a", lambda run: run.status.events.total == MANY_EVENTS, FLOOD_PATIENCE_S)
    await lab.recorder.until_settled(FLOOD_PATIENCE_S)
    items = await handle.history()
    known = len(_handled(items))
    missing = sum(each.missing for each in items if each.kind is HistoryKind.GAP)
    assert known >= DEFAULT_KEPT_EVENTS_COUNT
    assert known + missing == MANY_EVENTS


async def _send_many(handle: WorkflowHandle) -> None:
    numbers = itertools.count()

    async def send() -> None:
        while next(numbers) < MANY_EVENTS:
            await handle.send("append", 0)

    await asyncio.gather(*(send() for _ in range(SENDERS)))


async def test_a_query_answers_for_the_store_of_the_last_commit(lab: Lab) -> None:
    operator, worker = await lab.start_both()
    handle = await start_run(lab)
    for number in range(1, 4):
        await (await handle.send("act", "none")).settled()
        assert await handle.query("summary") == f"{number} kept"
        operator.kill()
        worker.kill()
        assert await handle.query("summary") == f"{number} kept", "nothing is asked of them"
        await operator.start().until_logged("operator ready")
        worker.start()
    assert "3 kept" in await lab.kubectl("get", "wfr", "a")
