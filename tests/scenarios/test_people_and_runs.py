"""What people do to runs, and what kubectl, the command line and the SDK tell them."""

import asyncio
import secrets
from datetime import timedelta

import pytest

from grctl.client import WorkflowAlreadyRunningError, WorkflowNotFoundError
from grctl.models import RunPhase
from tests.lab.lab import Lab
from tests.lab.manifests import run_manifest
from tests.lab.waiting import eventually

PATIENCE = timedelta(seconds=45)


@pytest.fixture
def order() -> str:
    """An id of this test's own."""
    return f"order-{secrets.token_hex(3)}"


async def test_events_that_wait_for_a_deleted_run_reach_no_later_run(
    shared_lab: Lab, order: str
) -> None:
    await shared_lab.start(order)
    await shared_lab.client.send(workflow_id=order, event_name="gated", payload=order)
    await eventually(lambda: shared_lab.gate(order).is_reached, f"{order} is at its gate")
    waiting = [
        await shared_lab.client.send(workflow_id=order, event_name="append", payload=number)
        for number in range(3)
    ]
    assert "deleted" in await shared_lab.kubectl("delete", "wfr", order)
    seen = {each.uid: each for each in shared_lab.recorder.events if each.phase.settled}
    assert {seen[sent.uid or ""].reason for sent in waiting} == {"RunDeleted"}
    left = await shared_lab.kubectl("get", "wfe", "-o", "name")
    assert order not in left, "a deleted run takes its settled events with it"
    told = await shared_lab.kubectl("get", "events")
    assert f'RunDeleted: The run "{order}" was deleted.' in told
    handle = await shared_lab.start(order)
    await handle.send("done")
    assert await handle.result(PATIENCE) == 1


async def test_an_id_that_is_active_is_not_started_again(shared_lab: Lab, order: str) -> None:
    await shared_lab.start(order)
    with pytest.raises(WorkflowAlreadyRunningError) as caught:
        await shared_lab.start(order)
    told = [str(caught.value), await shared_lab.grctl("start", "Append", order, fails=True)]
    for text in told:
        assert f"A run of '{order}' (Append) is active" in text
        assert f"client.get_workflow_handle(workflow_id='{order}')" in text
        assert f"`grctl terminate {order}`" in text
        assert "or take another id" in text
    manifest = run_manifest(order)
    refused = await shared_lab.kubectl("create", "-f", "-", stdin=manifest, fails=True)
    assert f'workflowruns.grctl.dev "{order}" already exists' in refused


async def test_two_starts_of_one_id_at_once_start_one_run(shared_lab: Lab, order: str) -> None:
    starts = (shared_lab.start(order) for _ in range(5))
    told = await asyncio.gather(*starts, return_exceptions=True)
    refused = [each for each in told if isinstance(each, WorkflowAlreadyRunningError)]
    assert len(refused) == 4
    assert all(order in str(each) for each in refused)


async def test_an_id_whose_run_has_finished_is_started_anew(shared_lab: Lab, order: str) -> None:
    """The old run is deleted first, and its waiting events are rejected before that."""
    old = await shared_lab.start(order)
    await old.send("append", "yesterday")
    await old.send("done")
    await old.result(PATIENCE)
    left = await old.send("append", "too late")
    assert (await left.settled(PATIENCE)).reason == "RunFinished"
    new = await shared_lab.start(order)
    await new.send("append", "today")
    await shared_lab.until_run(order, lambda run: run.status.events.processed == 1)
    assert (await shared_lab.run(order)).status.store["payloads"] == ["today"]
    await shared_lab.recorder.catch_up()
    lives = [(each.uid, each.exists) for each in shared_lab.recorder.runs if each.name == order]
    assert lives.index((old.uid, False)) < lives.index((new.uid, True))
    with pytest.raises(WorkflowNotFoundError, match="was deleted"):
        await old.describe()


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_a_run_applied_again_is_not_run_again(
    shared_lab: Lab, order: str, how: tuple[str, ...]
) -> None:
    apply, manifest = ("apply", *how, "-f", "-"), run_manifest(order)
    for _ in range(2):
        await shared_lab.kubectl(*apply, stdin=manifest)
    handle = await shared_lab.client.get_workflow_handle(workflow_id=order)
    await handle.send("done")
    assert await handle.result(PATIENCE) == 1
    await shared_lab.kubectl(*apply, stdin=manifest)
    run = await shared_lab.run(order)
    assert (run.metadata.uid, run.status.phase) == (handle.uid, RunPhase.COMPLETED)
    assert len({each.uid for each in shared_lab.recorder.runs if each.name == order}) == 1


async def test_the_workflow_of_a_run_cannot_be_changed(shared_lab: Lab, order: str) -> None:
    await shared_lab.kubectl("create", "-f", "-", stdin=run_manifest(order, input={}))
    for changed in (run_manifest(order, "Other", input={}), run_manifest(order, input={"x": 1})):
        for how in (("apply",), ("apply", "--server-side", "--force-conflicts")):
            told = await shared_lab.kubectl(*how, "-f", "-", stdin=changed, fails=True)
            assert "spec.workflow cannot be changed" in told
            assert "Delete this run first, or take another name" in told
    await shared_lab.until_run(order, lambda run: run.status.phase is RunPhase.WAIT_EVENT)


async def test_a_run_of_an_unknown_workflow_type_shows_what_workers_serve(
    shared_lab: Lab, order: str
) -> None:
    await shared_lab.grctl("start", "Apend", order)
    text = (
        f'No worker serves workflow type "Apend" in namespace "{shared_lab.namespace}";'
        ' those connected serve "Append", "Deadline".'
    )
    run = await shared_lab.until_run(order, lambda run: run.status.message == text)
    assert run.status.phase is RunPhase.PENDING
    assert text in await shared_lab.kubectl("get", "wfr", order)
    assert text in await shared_lab.grctl("describe", order)
    assert "deleted" in await shared_lab.kubectl("delete", "wfr", order)


async def test_a_missing_run_is_reported_with_how_to_start_it(shared_lab: Lab, order: str) -> None:
    with pytest.raises(WorkflowNotFoundError, match=f"no run of '{order}'"):
        await shared_lab.client.get_workflow_handle(workflow_id=order)
    told = await shared_lab.grctl("describe", order, fails=True)
    assert "`grctl start`" in told
    assert "Traceback" not in told
