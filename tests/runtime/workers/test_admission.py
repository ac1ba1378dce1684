import asyncio

import pytest

from grctl_operator.runtime.workers.admission import Admission, NotHereError

LEADER = "http://10.0.0.1:8700"


async def test_a_worker_comes_in_where_the_operator_leads() -> None:
    admission = Admission()
    admission.lead()
    await admission.wait()


async def test_a_worker_is_sent_to_who_leads() -> None:
    admission = Admission()
    admission.follow(LEADER)
    with pytest.raises(NotHereError) as raised:
        await admission.wait()
    assert raised.value.url == LEADER


async def test_a_worker_that_waits_comes_in_when_the_operator_leads() -> None:
    admission = Admission()
    waiting = asyncio.create_task(admission.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    admission.lead()
    await waiting


async def test_a_worker_waits_on_while_it_is_only_said_that_nobody_leads() -> None:
    admission = Admission()
    waiting = asyncio.create_task(admission.wait())
    for _ in range(3):
        await asyncio.sleep(0)
        admission.follow(None)
    assert not waiting.done()
    admission.lead()
    await waiting


async def test_a_worker_that_waits_is_sent_to_who_takes_over() -> None:
    admission = Admission()
    admission.follow(LEADER)
    admission.follow(None)
    waiting = asyncio.create_task(admission.wait())
    await asyncio.sleep(0)
    admission.follow("http://10.0.0.2:8700")
    with pytest.raises(NotHereError) as raised:
        await waiting
    assert raised.value.url == "http://10.0.0.2:8700"


async def test_a_worker_that_waited_in_vain_is_told_that_nobody_leads() -> None:
    with pytest.raises(NotHereError, match="No operator leads at present") as raised:
        await Admission(parked=0.0).wait()
    assert raised.value.url is None


async def parted(admission: Admission, unreachable: str = LEADER) -> asyncio.Task[None]:
    """Have a worker come that found nobody at an address; give its wait."""
    waiting = asyncio.create_task(admission.wait(unreachable))
    await asyncio.sleep(0)
    return waiting


async def test_a_worker_that_found_nobody_at_the_leaders_waits_for_who_takes_over() -> None:
    admission = Admission()
    admission.follow(LEADER)
    waiting = await parted(admission)
    assert not waiting.done()
    admission.lead()
    await waiting


async def test_a_worker_that_found_nobody_is_sent_to_a_leader_that_is_back() -> None:
    admission = Admission()
    admission.follow(f"{LEADER}/")
    waiting = await parted(admission)
    admission.follow(f"{LEADER}/")
    with pytest.raises(NotHereError) as raised:
        await waiting
    assert raised.value.url == LEADER


async def test_a_worker_that_found_nobody_waits_on_where_the_leader_has_left() -> None:
    admission = Admission()
    admission.follow(LEADER)
    waiting = await parted(admission)
    admission.follow(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    admission.lead()
    await waiting


async def test_a_worker_that_found_nobody_looks_again_when_nothing_is_heard() -> None:
    admission = Admission(absent=0.0)
    admission.follow(LEADER)
    with pytest.raises(NotHereError) as raised:
        await admission.wait(LEADER)
    assert raised.value.url == LEADER


async def test_a_worker_that_found_nobody_elsewhere_is_sent_to_the_leader_at_once() -> None:
    admission = Admission()
    admission.follow(LEADER)
    with pytest.raises(NotHereError):
        await admission.wait("http://10.0.0.2:8700")
