"""Answers and the history of a run that an operator and a worker carry out."""

import asyncio
from pathlib import Path

from grctl.client import WorkflowHandle
from grctl.models import Directive, HistoryKind, RunPhase
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.examples.conftest import staged

EVENTS_COUNT = 60

ledger = Workflow(workflow_type="Ledger")


@ledger.start()
async def begin(ctx: Context) -> Directive:
    ctx.store.put("sum", 0)
    return ctx.next.wait_for_event()


@ledger.event()
async def add(ctx: Context, amount: int) -> Directive:
    ctx.store.put("sum", await ctx.store.get("sum") + amount)
    return ctx.next.wait_for_event()


@ledger.event()
async def close(ctx: Context) -> Directive:
    return ctx.next.step(book)


@ledger.step()
async def book(ctx: Context) -> Directive:
    return ctx.next.complete(await ctx.store.get("sum"))


@ledger.query()
async def summary(ctx: Context) -> str:
    return f"{await ctx.store.get('sum')} EUR"


@ledger.query()
async def breaks(ctx: Context) -> str:
    raise LookupError("no such thing")


async def test_answers_and_history_tell_what_a_run_did_from_its_start_to_its_end(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, ledger) as stage:
        handle = await stage.client.start_workflow(workflow_type="Ledger", workflow_id="ledger")
        await asyncio.gather(*[handle.send("add", 1) for _ in range(EVENTS_COUNT)])
        await handle.send("nothing", name="unknown")
        await handle.send("close")
        assert await handle.result(timeout=60) == EVENTS_COUNT
        await _until_settled(handle)

        info = await stage.client.describe("ledger")
        items = await handle.history()

    assert info.phase is RunPhase.COMPLETED
    assert info.answers == {"summary": f"{info.store['sum']} EUR"}
    kinds = [each.kind for each in items]
    assert HistoryKind.GAP not in kinds
    assert kinds == [
        HistoryKind.CREATED,
        HistoryKind.START,
        *[HistoryKind.EVENT] * (EVENTS_COUNT + 2),
        HistoryKind.STEP,
        HistoryKind.FINISHED,
    ]
    sequences = [each.event.sequence for each in items if each.event]
    assert sequences == list(range(1, EVENTS_COUNT + 3))


async def _until_settled(handle: WorkflowHandle) -> None:
    """Follow the history to its end, which comes when all events of the run are settled."""
    async with asyncio.timeout(60):
        async for _ in handle.history().follow():
            pass
