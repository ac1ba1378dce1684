"""A worker's connection: reconnects, redirects, refusals, and the length of each pause."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.models import HandlerKind, NextStep
from grctl.models.protocol import SPOKEN
from grctl.models.wire import UNREACHABLE, Failed, Goodbye, Hello, Outcome, Succeeded, Welcome
from grctl.worker.connection import Message, OperatorConnection
from grctl.workflow import Workflow
from tests.worker.conftest import cancel
from tests.worker.fake_operator import FakeOperator, fake_operator
from tests.worker.making import execute_of

ORDER = Workflow(workflow_type="Order")
HELLO = Hello(worker="worker-1", instance="i1", namespace="shop", capacity=1, catalogues=())

Connect = Callable[..., "Received"]


class Received:
    """What came by a connection that goes on beside the test."""

    def __init__(self, url: str, **arguments: Any) -> None:
        self._came: asyncio.Queue[Message] = asyncio.Queue()
        self.connection = OperatorConnection(url, lambda: HELLO, self._came.put, **arguments)
        self.task = asyncio.create_task(self.connection.run())

    async def next(self) -> Message:
        async with asyncio.timeout(60):
            return await self._came.get()


@pytest.fixture
async def connect(operator: FakeOperator) -> AsyncIterator[Connect]:
    """Open connections that are closed when the test ends."""
    opened: list[Received] = []

    def open_one(**arguments: Any) -> Received:
        opened.append(Received(operator.url, **arguments))
        return opened[-1]

    yield open_one
    await cancel(each.task for each in opened)


class FixedJitter:
    """A source of jitter that notes its bounds and gives the lowest, or the highest."""

    def __init__(self, *, highest: bool = False) -> None:
        self.bounds: list[float] = []
        self._highest = highest

    def __call__(self, low: float, high: float) -> float:
        self.bounds.append(high)
        return high if self._highest else low


async def sends_away(operator: FakeOperator, goodbye: Goodbye) -> Any:
    """Send a Goodbye to the next worker that connects."""
    conversation = await operator.connected()
    await conversation.next(Hello)
    await conversation.say(goodbye)
    return conversation


async def test_a_token_file_is_shown(
    operator: FakeOperator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("secret")
    monkeypatch.setenv("GRCTL_WORKER_TOKEN_FILE", str(tmp_path / "token"))
    connect()
    assert (await operator.connected()).headers["Authorization"] == "Bearer secret"


async def test_goodbye_sends_a_worker_elsewhere_and_back_if_nobody_is_there(
    operator: FakeOperator, connect: Connect
) -> None:
    connect()
    async with fake_operator() as leader:
        await sends_away(operator, Goodbye(message="another leads", redirect=leader.url))
        worker, _ = await leader.welcomed()
        await worker.say(Goodbye(message="leaving"))
    _, hello = await operator.welcomed()
    assert hello == HELLO


async def test_an_older_operator_is_not_sent_a_directive_that_it_would_misread(
    operator: FakeOperator, connect: Connect
) -> None:
    received = connect()
    conversation = await operator.connected()
    await conversation.next(Hello)
    await conversation.say(Welcome(operator="operator-1", protocol=3))
    await received.next()

    execution = execute_of(ORDER, HandlerKind.EVENT, "approve").execution
    later = NextStep(step="remind", after=timedelta(hours=1))
    await received.connection.send(Outcome(execution=execution, result=Succeeded(directive=later)))

    assert isinstance((await conversation.next(Outcome)).result, Failed)


async def test_a_redirected_worker_connects_without_a_pause(
    operator: FakeOperator, connect: Connect
) -> None:
    jitter = FixedJitter()
    connect(uniform=jitter)
    async with fake_operator() as leader:
        await sends_away(operator, Goodbye(message="another leads", redirect=leader.url))
        await leader.welcomed()
        assert jitter.bounds == [0.05]


async def test_a_worker_that_was_redirected_to_a_dead_address_names_it_to_the_first_operator(
    operator: FakeOperator, connect: Connect
) -> None:
    async with fake_operator() as leader:
        gone = leader.url
    connect(uniform=FixedJitter())
    elsewhere = Goodbye(message="another leads", redirect=f"{gone}/")
    first, second = [await sends_away(operator, elsewhere) for _ in range(2)]
    worker, _ = await operator.welcomed()
    await worker.end()
    again, _ = await operator.welcomed()
    told = [each.headers.get(UNREACHABLE) for each in (first, second, worker, again)]
    assert told == [None, gone, gone, None]


async def test_a_pause_counts_from_the_beginning_of_the_try_or_from_the_loss(
    operator: FakeOperator, connect: Connect
) -> None:
    clock, pauses = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    connect(uniform=FixedJitter(highest=True), sleep=sleep, now=lambda: clock[0])
    for kept_waiting in (0.06, 3.0):
        nobody = await operator.connected()
        await nobody.next(Hello)
        clock[0] += kept_waiting
        await nobody.say(Goodbye(message="No operator leads at present; try again"))
    worker, _ = await operator.welcomed()
    assert pauses == pytest.approx([0.05, 0.1 - 0.06, 0.0])
    clock[0] += 3600
    await worker.end()
    await operator.welcomed()
    assert pauses[3:] == pytest.approx([0.05])


async def test_a_worker_that_is_not_accepted_backs_off_with_full_jitter_up_to_a_second(
    operator: FakeOperator, connect: Connect
) -> None:
    jitter, ten_tries = FixedJitter(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        if len(jitter.bounds) == 10:
            ten_tries.set()
            operator.refuse_with = None

    operator.refuse_with = 403
    connect(uniform=jitter, sleep=sleep)
    await ten_tries.wait()
    worker, _ = await operator.welcomed()
    assert jitter.bounds[:7] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    jitter.bounds.clear()
    await worker.end()
    await operator.welcomed()
    assert jitter.bounds[0] == 0.05


async def test_a_worker_that_is_refused_by_a_goodbye_backs_off_up_to_ten_seconds(
    operator: FakeOperator, connect: Connect
) -> None:
    jitter = FixedJitter()

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    connect(uniform=jitter, sleep=sleep)
    for _ in range(6):
        await sends_away(operator, Goodbye(message="may not execute Order", refused=True))
    await operator.welcomed()
    assert jitter.bounds == [0.05, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


# Operators of other versions. What they say is fixed here: these are other releases.


async def test_an_operator_from_before_ranges_is_spoken_to_in_its_own_version(
    operator: FakeOperator, connect: Connect
) -> None:
    """It accepts only a worker that says 2, and ignores fields that it does not know."""
    received = connect()
    conversation = await operator.connected()
    assert (await conversation.next(Hello)).protocol == 2
    await conversation.say('{"kind":"welcome","operator":"old"}')
    assert await received.next() == Welcome(operator="old", protocol=2)
    assert received.connection.protocol == 2


async def test_the_version_that_the_operator_chose_is_used(
    operator: FakeOperator, connect: Connect
) -> None:
    received = connect()
    conversation = await operator.connected()
    assert (await conversation.next(Hello)).spoken == SPOKEN
    await conversation.say('{"kind":"welcome","operator":"new","protocol":3,"else":1}')
    await received.next()
    assert received.connection.protocol == 3


@pytest.mark.parametrize(("chosen", "behind"), [(9, "worker"), (1, "operator")])
async def test_an_operator_that_chooses_another_version_is_left_and_named(
    operator: FakeOperator, connect: Connect, chosen: int, behind: str
) -> None:
    received = connect(sleep=never_again())
    conversation = await operator.connected()
    await conversation.say(f'{{"kind":"welcome","operator":"other","protocol":{chosen}}}')
    async with asyncio.timeout(60):
        await conversation.closed.wait()
    assert not received.connection.is_welcomed
    assert received.connection.trouble == (
        f"The worker speaks {SPOKEN}, the operator protocol {chosen}: upgrade the {behind}"
    )


def never_again() -> Callable[[float], Awaitable[None]]:
    """Wait for nothing the first time, and for ever the second."""
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        if waited:
            await asyncio.Event().wait()
        waited.append(seconds)

    return wait
