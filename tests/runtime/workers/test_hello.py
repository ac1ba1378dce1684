"""How a worker is accepted or refused by its Hello, on real sockets; no API server."""

import json
from datetime import datetime

import aiohttp
import pytest

from grctl.models.directive import Complete
from grctl.models.wire import (
    CONNECT_PATH,
    Goodbye,
    Welcome,
    from_operator,
)
from grctl_operator.runtime.workers import connections
from tests.runtime.played_worker import connected, hello
from tests.runtime.workers.dispatcher_parts import KEY, NOON, ORDER, Parts


async def refused(port: int, message: str) -> str:
    """Send a message and return the text of the Goodbye."""
    return (await goodbye(port, message)).message


async def goodbye(port: int, message: str) -> Goodbye:
    """Send a message and return the Goodbye."""
    url = f"http://127.0.0.1:{port}{CONNECT_PATH}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(message)
        while True:
            answer = from_operator.validate_json(await socket.receive_str(timeout=5))
            if isinstance(answer, Goodbye):
                return answer


@pytest.mark.parametrize(
    ("lowest", "highest", "says"),
    [
        (9, None, "speaks protocol 9, the operator protocols 2 to 4: upgrade the operator"),
        (5, 9, "speaks protocols 5 to 9, the operator protocols 2 to 4: upgrade the operator"),
        (1, None, "speaks protocol 1, the operator protocols 2 to 4: upgrade the worker"),
    ],
)
async def test_a_worker_without_a_common_protocol_is_told_both_ranges_and_who_is_behind(
    parts: Parts, lowest: int, highest: int | None, says: str
) -> None:
    greeting = {"kind": "hello", "protocol": lowest, "protocolHighest": highest, "new": "words"}
    answer = await goodbye(parts.port, json.dumps(greeting))
    assert (answer.message, answer.refused) == (f"The worker {says}", True)


@pytest.mark.parametrize(
    ("spoken", "agreed"),
    [
        ({"protocol": 2}, 2),
        ({"protocol": 2, "protocolHighest": 3}, 3),
        ({"protocol": 1, "protocolHighest": 2}, 2),
        ({"protocol": 2, "protocolHighest": 4}, 4),
        ({"protocol": 3, "protocolHighest": 99}, 4),
    ],
)
async def test_the_highest_common_protocol_is_used(
    parts: Parts, spoken: dict[str, int], agreed: int
) -> None:
    rest = {"worker": "w", "instance": "i", "namespace": "shop", "capacity": 1, "catalogues": []}
    greeting = json.dumps({"kind": "hello", **spoken, **rest})
    url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(greeting)
        welcome = from_operator.validate_json(await socket.receive_str(timeout=5))
    assert welcome == Welcome(operator="op", protocol=agreed)


async def test_a_worker_of_the_protocol_before_is_given_handlers_as_before(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER, protocol_highest=3)) as worker:
        parts.dispatch()
        execute = await worker.executes()
        await worker.succeeds(execute, Complete())
        assert await parts.woken() == KEY
    assert (execute.journal, execute.time) == ({}, None)
    assert [each.outcome is not None for each in parts.held()] == [True]


@pytest.mark.parametrize("protocol", [0, -1, 10**30, "two", None, 2.5, [2]])
async def test_a_bad_protocol_is_refused_naming_the_field(parts: Parts, protocol: object) -> None:
    message = await refused(parts.port, json.dumps({"kind": "hello", "protocol": protocol}))
    assert "hello.protocol: Input should be" in message


async def test_a_bad_message_is_refused_naming_the_field(parts: Parts) -> None:
    message = await refused(parts.port, '{"kind": "hello", "worker": 3}')
    assert "hello.worker: Input should be a valid string" in message


async def test_the_first_message_must_be_hello(parts: Parts) -> None:
    assert "must be Hello, not 'drain'" in await refused(parts.port, '{"kind": "drain"}')


async def test_a_worker_without_the_permission_is_refused_and_told_not_to_hurry(
    parts: Parts,
) -> None:
    parts.auth.refuses = "orders may not execute Order"
    answer = await goodbye(parts.port, hello(ORDER).model_dump_json(by_alias=True))
    assert (answer.message, answer.refused) == ("orders may not execute Order", True)
    assert parts.registry.connected == 0


async def test_an_operator_of_one_namespace_refuses_workers_of_others() -> None:
    made = Parts("bank")
    await made.dispatcher.start("127.0.0.1", 0)
    message = await refused(made.port, hello(ORDER).model_dump_json(by_alias=True))
    await made.dispatcher.stop()
    assert message == "This operator serves only bank, not shop"


@pytest.mark.parametrize("expires", [None, NOON])
async def test_a_worker_that_lost_its_permission_is_disconnected(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, expires: datetime | None
) -> None:
    """At the next review, or when its token expires."""
    monkeypatch.setattr(connections, "REVIEW_AGAIN_S", 60.0 if expires else 0.01)
    monkeypatch.setattr(connections, "SHORTEST_REVIEW_PAUSE_S", 0.01)
    parts.auth.expires = expires
    async with connected(parts.port, hello(ORDER)) as worker:
        parts.auth.refuses = "the token has expired"
        answer = from_operator.validate_json(await worker.socket.receive_str(timeout=5))
    assert answer == Goodbye(message="the token has expired")


async def test_a_hello_does_not_take_over_the_connection_of_another_account(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER, instance="a"), token="orders") as worker:
        url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
        headers = {"Authorization": "Bearer thief"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(url) as socket,
        ):
            await socket.send_str(hello(ORDER, instance="a").model_dump_json(by_alias=True))
            answer = from_operator.validate_json(await socket.receive_str(timeout=5))
        assert isinstance(answer, Goodbye)
        parts.dispatch()
        await worker.executes()


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:8700", "null"])
async def test_a_web_page_cannot_connect_as_a_worker(parts: Parts, origin: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url, headers={"Origin": origin})
    assert caught.value.status == 403
