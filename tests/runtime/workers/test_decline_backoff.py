"""Workers that decline executions, on real sockets; no API server."""

import pytest

from grctl.models.wire import (
    Declined,
)
from grctl_operator.runtime.workers import decline_backoff
from tests.runtime.played_worker import connected, hello
from tests.runtime.workers.dispatcher_parts import APPROVE, KEY, ORDER, OTHER, Parts, ahead_of, run


async def test_a_declined_execution_is_decided_again(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        execution = (await worker.executes()).execution.id
        await worker.say(Declined(execution=execution))
        assert await parts.woken() == KEY
    assert parts.held() == []


async def test_a_worker_that_declined_gets_nothing_for_a_while(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decline_backoff, "FIRST_REST_S", 3600.0)
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        await worker.say(Declined(execution=(await worker.executes()).execution.id))
        assert await parts.woken() == KEY
        parts.dispatch()
        assert parts.held() == []
        async with connected(parts.port, hello(ORDER, worker="two")) as willing:
            assert await parts.woken() == KEY
            parts.dispatch()
            await willing.executes()


async def test_a_worker_that_declined_gets_executions_again_after_its_rest(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decline_backoff, "FIRST_REST_S", 0.001)
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        await worker.say(Declined(execution=(await worker.executes()).execution.id))
        assert await parts.woken() == KEY
        parts.dispatch()
        parts.dispatcher.on_reconciled(KEY)
        if not parts.held():
            assert await parts.woken() == KEY
            parts.dispatch()
        await worker.executes()


async def test_declining_an_event_that_came_ahead_costs_a_worker_nothing(
    parts: Parts,
) -> None:
    """A run that does not go on waiting makes its worker decline what came ahead."""
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.dispatch()
        first = (await worker.executes()).execution
        parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.id, 3, APPROVE))
        ahead = (await worker.executes()).execution
        await worker.say(Declined(execution=ahead.id))
        assert await parts.woken() == KEY
        parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.id, 3, APPROVE))
        assert [each.execution.id for each in parts.held()] == [first.id]
        parts.dispatch(OTHER)
        await worker.executes()
