"""Events whose run never comes, and a run that comes at the last moment."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from grctl.models.directive import Complete, WaitForEvent
from grctl_operator.runtime.write.event_writer import EventWriter
from tests.runtime.conftest import Cluster
from tests.runtime.played_worker import connected
from tests.runtime.test_operator import greeting, operating

SOON = timedelta(seconds=1)


async def test_an_event_whose_run_never_comes_is_rejected_and_announced(cluster: Cluster) -> None:
    sent = await cluster.send("order-1", "approve")
    async with operating(cluster, orphan_timeout=SOON):
        settled = await cluster.until_settled(sent)
        told = await cluster.until_core_event(sent["metadata"]["uid"], "Rejected")
    status = settled["status"]
    assert (status["phase"], status["reason"]) == ("Rejected", "NoSuchRun")
    assert status["message"].startswith("There was no run of that id for 1s.")
    assert "runUid" not in status
    assert told["message"].startswith("NoSuchRun: There was no run")


async def test_a_run_that_is_created_while_an_event_is_being_rejected_does_not_handle_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    write = EventWriter._write

    async def slow(writer: EventWriter, *what: Any) -> None:
        begun.set()
        await go_on.wait()
        await write(writer, *what)

    monkeypatch.setattr(EventWriter, "_write", slow)
    early = await cluster.send("order-1", "approve")
    async with (
        operating(cluster, orphan_timeout=SOON) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await begun.wait()
        await cluster.start("order-1")
        start = await worker.executes()
        later = await cluster.send("order-1", "reject")
        await worker.succeeds(start, WaitForEvent())
        await cluster.until_phase("order-1", "WaitEvent")
        go_on.set()
        settled = await cluster.until_settled(early)
        reject = await worker.executes()
        await worker.succeeds(reject, Complete())
        await cluster.until_settled(later)
    assert settled["status"]["reason"] == "NoSuchRun"
    assert reject.execution.event_uid == later["metadata"]["uid"]
