import asyncio

import pytest

from grctl_operator.runtime.workers.leader_gate import LeaderGate, NotHereError

LEADER = "http://10.0.0.1:8700"


async def test_a_worker_is_accepted_if_the_operator_leads() -> None:
    gate = LeaderGate()
    gate.lead()
    await gate.wait()


async def test_a_worker_is_sent_to_the_leader() -> None:
    gate = LeaderGate()
    gate.follow(LEADER)
    with pytest.raises(NotHereError) as raised:
        await gate.wait()
    assert raised.value.url == LEADER


async def test_a_waiting_worker_is_accepted_when_the_operator_leads() -> None:
    gate = LeaderGate()
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.lead()
    await waiting


async def test_a_worker_waits_on_at_the_news_that_nobody_leads() -> None:
    gate = LeaderGate()
    waiting = asyncio.create_task(gate.wait())
    for _ in range(3):
        await asyncio.sleep(0)
        gate.follow(None)
    assert not waiting.done()
    gate.lead()
    await waiting


async def test_a_waiting_worker_is_sent_to_the_next_leader() -> None:
    gate = LeaderGate()
    gate.follow(LEADER)
    gate.follow(None)
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    gate.follow("http://10.0.0.2:8700")
    with pytest.raises(NotHereError) as raised:
        await waiting
    assert raised.value.url == "http://10.0.0.2:8700"


async def test_a_worker_that_waited_in_vain_is_told_that_nobody_leads() -> None:
    with pytest.raises(NotHereError, match="No operator leads at present") as raised:
        await LeaderGate(wait_for_leader=0.0).wait()
    assert raised.value.url is None


async def back_from(gate: LeaderGate, unreachable: str = LEADER) -> asyncio.Task[None]:
    """Start the wait of a worker that found nobody at an address."""
    waiting = asyncio.create_task(gate.wait(unreachable))
    await asyncio.sleep(0)
    return waiting


async def test_a_worker_that_found_nobody_at_the_leaders_waits_for_the_next_leader() -> None:
    gate = LeaderGate()
    gate.follow(LEADER)
    waiting = await back_from(gate)
    assert not waiting.done()
    gate.lead()
    await waiting


async def test_a_worker_that_found_nobody_is_sent_to_a_leader_that_is_back() -> None:
    gate = LeaderGate()
    gate.follow(f"{LEADER}/")
    waiting = await back_from(gate)
    gate.follow(f"{LEADER}/")
    with pytest.raises(NotHereError) as raised:
        await waiting
    assert raised.value.url == LEADER


async def test_a_worker_that_found_nobody_waits_on_if_the_leader_left() -> None:
    gate = LeaderGate()
    gate.follow(LEADER)
    waiting = await back_from(gate)
    gate.follow(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    gate.lead()
    await waiting


async def test_a_worker_that_found_nobody_is_sent_there_again_without_news() -> None:
    gate = LeaderGate(wait_for_news=0.0)
    gate.follow(LEADER)
    with pytest.raises(NotHereError) as raised:
        await gate.wait(LEADER)
    assert raised.value.url == LEADER


async def test_a_worker_that_found_nobody_elsewhere_is_sent_to_the_leader_at_once() -> None:
    gate = LeaderGate()
    gate.follow(LEADER)
    with pytest.raises(NotHereError):
        await gate.wait("http://10.0.0.2:8700")
