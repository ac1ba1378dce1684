"""Two attempts at one handler live at once, or the operator or the API server is away meanwhile.

A worker is parted from the operator by a relay that is cut, so that its execution is lost soon.
"""

import signal
from collections.abc import AsyncIterator

import pytest

from grctl.models import EventPhase
from tests.lab.api_proxy import ApiProxy
from tests.lab.faults import CUT, ApiRequest, FaultRule, delay_fault
from tests.lab.lab import Lab
from tests.lab.processes import Process
from tests.lab.relay import Relay
from tests.lab.waiting import eventually
from tests.scenarios.durable.acting import (
    act,
    entries_of,
    result,
    until_begun,
    until_ended,
    until_recorded,
)

LONG_S = 600.0


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A relay, by which the first worker is connected."""
    async with Relay() as relay:
        yield relay


async def _start_with_two_workers(lab: Lab, relay: Relay) -> tuple[Process, Process]:
    """Start an operator and a worker behind the relay; the other worker is not started yet."""
    operator = lab.operator().start()
    await operator.until_logged("operator ready")
    relay.target, lab.ports["relay"] = lab.ports["operator"], relay.port
    first = await lab.worker(name="first", operator="relay").start().until_logged("connected")
    return first, lab.worker(name="second")


async def test_two_attempts_see_the_same_values_and_one_commits(lab: Lab, relay: Relay) -> None:
    first, second = await _start_with_two_workers(lab, relay)
    lab.service.hold("charge", "mail charge-1", "mail charge-2")
    handle = await act(lab, "told")
    await until_begun(lab, "charge")
    first.signal(signal.SIGSTOP)
    relay.cut()
    await second.start().until_logged("connected")
    await until_begun(lab, "charge", 2)
    lab.service.release("charge")
    await until_begun(lab, "mail charge-2")
    relay.mend()
    first.signal(signal.SIGCONT)
    await until_begun(lab, "mail charge-2", 2)
    lab.service.release("mail charge-1", "mail charge-2")
    assert await result(lab) in (["mail charge-2-1"], ["mail charge-2-2"])
    assert lab.service.begun == {"charge": 2, "mail charge-2": 2}
    assert len(set(lab.service.keys("charge"))) == len(set(lab.service.keys("mail charge-2"))) == 1
    sent = await handle.send("done")
    assert (await sent.settled()).phase is EventPhase.PROCESSED
    assert (await lab.run("a")).status.commits == 3, "the start and two events"


async def test_an_operator_killed_between_record_and_answer_loses_neither(lab: Lab) -> None:
    """The API server has the record, and its answer is under way when the operator dies."""
    writes = FaultRule(_is_status_write, delay_fault(LONG_S), times=0)
    async with ApiProxy(lab.kubeconfig, lab.directory / "kubeconfig-slow", writes) as proxy:
        operator = lab.operator(kubeconfig=proxy.kubeconfig).start()
        await operator.until_logged("operator ready")
        await lab.worker().start().until_logged("connected")
        lab.service.hold("charge", "book")
        await act(lab, "two")
        await until_begun(lab, "charge")
        await lab.until_run("a", lambda run: bool(run.status.step and run.status.step.worker))
        writes.times = 1
        lab.service.release("charge")
        await until_recorded(lab, 1)
        assert lab.service.begun["book"] == 0, "the worker has no answer"
        operator.kill()
        operator.start()
        await until_begun(lab, "book")
        lab.service.release("book")
        assert await result(lab) == ["charge-1", "book-1"]
        assert lab.service.begun == {"charge": 1, "book": 1}
        await lab.recorder.until_settled()
        operator.kill()


def _is_status_write(request: ApiRequest) -> bool:
    return request.method == "PUT" and request.path.endswith("/workflowruns/a/status")


async def test_a_handler_goes_on_when_the_api_server_is_back(lab: Lab) -> None:
    away = FaultRule(lambda _: True, CUT, times=0)
    async with ApiProxy(lab.kubeconfig, lab.directory / "kubeconfig-away", away) as proxy:
        operator = lab.operator(kubeconfig=proxy.kubeconfig).start()
        await operator.until_logged("operator ready")
        await lab.worker().start().until_logged("connected")
        lab.service.hold("charge")
        await act(lab, "three")
        await until_begun(lab, "charge")
        away.times = 10**9
        lab.service.release("charge")
        await until_ended(lab, "charge")
        tried = away.met
        await eventually(lambda: away.met > tried + 5, "the operator asks in vain")
        assert lab.service.begun["book"] == 0, "the record of the first task is not durable"
        assert entries_of(await lab.run("a")) == {}
        away.times = 0
        assert await result(lab) == ["charge-1", "book-1", "mail it-1"]
        assert lab.service.begun == {"charge": 1, "book": 1, "mail it": 1}
        await lab.recorder.until_settled()
        operator.kill()
