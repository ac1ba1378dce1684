"""What people do to events, and what kubectl, the command line and the SDK tell them."""

import secrets
from datetime import timedelta

import pytest

from grctl.client import WorkflowHandle
from grctl.models import EventPhase, EventReason, EventStatus, RunPhase
from tests.history.executions import read_executions
from tests.lab.lab import Lab
from tests.lab.manifests import event_manifest
from tests.lab.waiting import eventually

PATIENCE = timedelta(seconds=45)
KIB = 1024


@pytest.fixture
def order() -> str:
    """An id of this test's own."""
    return f"order-{secrets.token_hex(3)}"


async def _start_busy(lab: Lab, order: str) -> WorkflowHandle:
    """Start a run whose handler is at a gate, so that later events wait."""
    handle = await lab.start(order)
    await handle.send("gated", order)
    await eventually(lambda: lab.gate(order).is_reached, f"{order} is at its gate")
    return handle


async def _finish(lab: Lab, handle: WorkflowHandle) -> list[object]:
    """Open the gate, finish the run and settle its events; return the payloads in between."""
    lab.gate(handle.workflow_id).open()
    await handle.send("done")
    await handle.result(PATIENCE)
    await lab.recorder.until_settled()  # an event's own status is written a moment after the run's
    payloads: list[object] = (await lab.run(handle.workflow_id)).status.store["payloads"]
    return payloads[1:-1]


def _executions_of(lab: Lab, uid: str | None) -> int:
    """Count the executions of an event."""
    return sum(each.event == uid for each in read_executions(lab.directory))


async def test_deleting_a_waiting_event_withdraws_it(shared_lab: Lab, order: str) -> None:
    handle = await _start_busy(shared_lab, order)
    for number in (1, 2, 3):
        await handle.send("append", number, name=f"{order}-{number}")
    assert "deleted" in await shared_lab.withdraw(f"{order}-2")
    assert await _finish(shared_lab, handle) == [1, 3]
    numbers = [(await shared_lab.event(f"{order}-{number}")).status.sequence for number in (1, 3)]
    assert numbers == [2, 3], "the gated one was the first, and a withdrawal leaves no gap"


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_a_manifest_applied_again_and_again_is_handled_once(
    shared_lab: Lab, order: str, how: tuple[str, ...]
) -> None:
    handle = await _start_busy(shared_lab, order)
    manifest = event_manifest(f"{order}-1", order, payload=1)
    apply = ("apply", *how, "-f", "-")
    told = [await shared_lab.kubectl(*apply, stdin=manifest) for _ in range(3)]
    await handle.send("append", 2)
    await shared_lab.kubectl(*apply, stdin=manifest)
    assert await _finish(shared_lab, handle) == [1, 2]
    told.append(await shared_lab.kubectl(*apply, stdin=manifest))
    event = await shared_lab.event(f"{order}-1")
    assert event.status.phase is EventPhase.PROCESSED
    assert _executions_of(shared_lab, event.metadata.uid) == 1
    again = "serverside-applied" if how else "unchanged"
    assert all(again in text for text in told[1:]), told


async def test_a_label_on_a_waiting_event_does_not_move_it(shared_lab: Lab, order: str) -> None:
    handle = await _start_busy(shared_lab, order)
    for number in (1, 2, 3):
        await handle.send("append", number, name=f"{order}-{number}")
    await shared_lab.kubectl("label", "wfe", f"{order}-1", "seen=yes")
    await shared_lab.kubectl("annotate", "wfe", f"{order}-2", "seen=yes")
    assert await _finish(shared_lab, handle) == [1, 2, 3]


async def test_an_event_that_was_sent_cannot_be_changed(shared_lab: Lab, order: str) -> None:
    name = f"{order}-1"
    shared_lab.recorder.waiting.add(name)
    await shared_lab.kubectl("create", "-f", "-", stdin=event_manifest(name, order, payload=1))
    changed = event_manifest(name, order, payload=2)
    for how in (("apply",), ("apply", "--server-side", "--force-conflicts"), ("replace",)):
        told = await shared_lab.kubectl(*how, "-f", "-", stdin=changed, fails=True)
        assert "the spec of a WorkflowEvent cannot be changed" in told
        assert "Create another one, under another name" in told
    patch = '{"spec":{"eventName":"other"}}'
    told = await shared_lab.kubectl("patch", "wfe", name, "--type=merge", "-p", patch, fails=True)
    assert "it was sent by creating it, and may be handled already" in told
    assert (await shared_lab.event(name)).spec.payload == 1


async def test_a_mistyped_event_is_refused_by_the_command_line_and_rejected_otherwise(
    shared_lab: Lab, order: str
) -> None:
    handle = await shared_lab.start(order)
    await shared_lab.until_run(order, lambda run: bool(run.status.event_names))
    told = await shared_lab.grctl("send", order, "apend", fails=True)
    assert 'Append has no event handler "apend"' in told
    assert '"append"' in told
    assert "--force" in told
    status = await (await handle.send("apend")).settled(PATIENCE)
    assert _phase_and_reason(status) == (EventPhase.REJECTED, EventReason.UNKNOWN_EVENT)
    assert status.message is not None
    assert status.message.startswith('Append has no event handler "apend"; it has "append", ')
    assert status.message.endswith("The run goes on waiting.")
    assert "UnknownEvent: Append has no event handler" in await _description(shared_lab, order)
    assert (await shared_lab.run(order)).status.phase is RunPhase.WAIT_EVENT


def _phase_and_reason(status: EventStatus) -> tuple[EventPhase, str | None]:
    return status.phase, status.reason


async def _description(lab: Lab, run: str) -> str:
    """Return what `kubectl describe` prints about a run, once its core Event is there."""
    told = [""]

    async def announced() -> bool:
        told[0] = await lab.kubectl("describe", "wfr", run)
        return "UnknownEvent" in told[0]

    await eventually(announced, f"a core Event on {run}")
    return told[0]


async def test_a_payload_that_does_not_fit_is_rejected_with_what_would(
    shared_lab: Lab, order: str
) -> None:
    handle = await shared_lab.start(order)
    sent = await handle.send("number", "a lot")
    shared_lab.recorder.unfit.add(sent.name)
    status = await sent.settled(PATIENCE)
    assert _phase_and_reason(status) == (EventPhase.REJECTED, EventReason.BAD_PAYLOAD)
    assert status.message is not None
    assert "number(value: int) does not take this payload" in status.message
    assert "valid integer" in status.message


async def test_an_event_of_a_handle_whose_run_is_gone_goes_to_no_other_run(
    shared_lab: Lab, order: str
) -> None:
    old = await shared_lab.start(order)
    await old.send("done")
    await old.result(PATIENCE)
    new = await shared_lab.start(order)
    status = await (await old.send("append", "for the old one")).settled(PATIENCE)
    assert _phase_and_reason(status) == (EventPhase.REJECTED, EventReason.RUN_GONE)
    assert status.message == (
        f'This event was sent to an earlier run of "{order}", which is gone.'
        " Send it again to the present one."
    )
    await new.send("append", "for the new one")
    await new.send("done")
    assert await new.result(PATIENCE) == 2


async def test_an_event_of_a_handle_whose_run_was_deleted_is_rejected_without_a_run(
    shared_lab: Lab, order: str
) -> None:
    old = await shared_lab.start(order)
    await shared_lab.kubectl("delete", "wfr", order)
    status = await (await old.send("append")).settled(PATIENCE)
    assert _phase_and_reason(status) == (EventPhase.REJECTED, EventReason.RUN_GONE)
    assert status.message == "The run that this event was sent to is gone."


@pytest.mark.parametrize(
    ("event_name", "told"),
    [
        (
            "hoard",
            "at most 256.0 KiB are kept. Its largest keys: 'hoard' 300.0 KiB",
        ),
        ("boast", "The result is 300.0 KiB of JSON; at most 256.0 KiB are kept"),
    ],
    ids=["store", "result"],
)
async def test_a_store_or_result_that_is_too_large_fails_the_run(
    shared_lab: Lab, order: str, event_name: str, told: str
) -> None:
    handle = await shared_lab.start(order)
    status = await (await handle.send(event_name, 300 * KIB)).settled(PATIENCE)
    assert _phase_and_reason(status) == (EventPhase.FAILED, EventReason.HANDLER_FAILED)
    assert status.message is not None
    assert told in status.message
    run = await shared_lab.until_run(order, lambda run: run.status.phase is RunPhase.FAILED)
    assert run.status.error is not None
    assert told in run.status.error.message
    assert "hoard" not in run.status.store


async def test_an_event_for_a_run_that_is_not_there_waits_and_says_so(
    shared_lab: Lab, order: str
) -> None:
    name = f"{order}-1"
    told = await shared_lab.grctl("send", order, "append", "--payload", "1", "--name", name)
    assert f"there is no run of '{order}'" in told
    assert "waits for it" in told

    async def announced() -> bool:
        return "NoSuchRun" in await shared_lab.kubectl("describe", "wfe", name)

    await eventually(announced, "a core Event says that there is no such run")
    handle = await shared_lab.start(order)
    await handle.send("done")
    assert await handle.result(PATIENCE) == 2
