"""What a client without any permission may cost the operator, on real sockets."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import aiohttp
import pytest

from grctl.models.wire import (
    CONNECT_PATH,
    MAX_HELLO_BYTES,
    Goodbye,
    Hello,
    Welcome,
    encode,
    from_operator,
)
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers import connection_limits, listener, worker_session
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.workers.worker_auth import Identity, RefusedError
from grctl_operator.views.executions import ExecutionRegistry
from tests.runtime.played_worker import catalogue, connected, hello

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORDER = catalogue("Order", "approve")
MANY_TYPES = json.dumps(
    {
        "kind": "hello",
        "protocol": 2,
        "worker": "w",
        "instance": "i",
        "namespace": "shop",
        "capacity": 1,
        "catalogues": [{"type": "a", "handlers": []}] * 466_000,
    }
)


class FakeAuth:
    """Accepts all tokens but one; notes its calls."""

    def __init__(self) -> None:
        self.identified: list[str] = []
        self.authorized: list[Hello] = []
        self.refuses = False

    def check_header(self, authorization: str | None) -> None:
        if authorization is None:
            raise RefusedError("No token came")

    async def identify(self, authorization: str | None) -> Identity:
        self.identified.append(authorization or "")
        if authorization == "Bearer bad":
            raise RefusedError("The API server does not accept the token")
        return Identity(authorization or "")

    async def authorize(self, _identity: Identity, hello: Hello) -> None:
        self.authorized.append(hello)
        if self.refuses:
            raise RefusedError("may not execute Order")


def ignore_record(key: Key, *, awaited: bool) -> None:
    """Stand in for the timing: no worker here records anything."""


class Parts:
    """A dispatcher that listens, and the parts around it."""

    def __init__(self) -> None:
        self.auth = FakeAuth()
        queue = WorkQueue()
        self.registry = ExecutionRegistry(lambda: NOON, time.monotonic, queue.add)
        activity_log = ActivityLog(Metrics(), lambda: NOON)
        self.dispatcher = Dispatcher(
            self.registry,
            queue,
            activity_log,
            operator="op",
            auth=self.auth,
            on_outcome=queue.add,
            on_record=ignore_record,
            on_all_back=lambda: None,
            on_other_handlers=lambda _: None,
        )

    @property
    def port(self) -> int:
        return self.dispatcher.port


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    made = Parts()
    await made.dispatcher.start("127.0.0.1", 0)
    made.dispatcher.gate.lead()
    yield made
    await made.dispatcher.stop()


async def send(
    parts: Parts, said: str | bytes = "", account: str | None = "orders"
) -> Goodbye | Welcome | int | None:
    """Connect and send a message. Return the answer, or the code of the close."""
    url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
    headers = {"Authorization": f"Bearer {account}"} if account else {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers=headers) as socket,
    ):
        if isinstance(said, bytes):
            await socket.send_bytes(said)
        elif said:
            await socket.send_str(said)
        answer = await socket.receive(timeout=60)
        if answer.type is aiohttp.WSMsgType.TEXT:
            message = from_operator.validate_json(answer.data)
            assert isinstance(message, Goodbye | Welcome)
            return message
        return socket.close_code


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # nothing says when
            await asyncio.sleep(0.01)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_connection_without_a_token_waits_for_no_leader_and_no_review(
    parts: Parts,
) -> None:
    parts.dispatcher.gate.follow(None)  # nobody leads: others wait for three seconds
    answer = await send(parts, account=None)
    assert answer == Goodbye(message="No token came", refused=True)
    assert parts.auth.identified == []


async def test_a_hello_of_466_000_types_is_not_read_to_its_end(parts: Parts) -> None:
    assert len(MANY_TYPES) > 13 * 1024 * 1024
    with contextlib.suppress(ConnectionError):  # it is closed while the client still sends
        assert await send(parts, MANY_TYPES) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert parts.auth.authorized == []
    assert isinstance(await send(parts, encode(hello(ORDER))), Welcome)


async def test_a_known_account_may_send_larger_messages_but_not_a_larger_hello(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER), token="orders"):
        answer = await send(parts, MANY_TYPES)
    assert isinstance(answer, Goodbye)
    assert answer.message.startswith(f"A Hello has at most {MAX_HELLO_BYTES} bytes, not 1")


async def test_a_catalogue_of_too_many_types_is_refused_naming_the_bound(parts: Parts) -> None:
    catalogues = [{"type": "a", "handlers": []}] * 30_000
    text = json.dumps(json.loads(MANY_TYPES) | {"catalogues": catalogues})
    answer = await send(parts, text)
    assert isinstance(answer, Goodbye)
    assert "hello.catalogues: Tuple should have at most 200 items" in answer.message
    assert len(answer.message) < 1000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("worker", "w" * 254),
        ("instance", "i" * 64),
        ("namespace", "n" * 64),
        ("capacity", -1),
        ("capacity", 10**9),
        ("catalogues", [{"type": "t" * 254, "handlers": []}]),
        ("catalogues", [{"type": "", "handlers": []}]),
        ("catalogues", [{"type": "a", "handlers": [{"kind": "start", "name": "s" * 1025}]}]),
        ("catalogues", [{"type": "a", "handlers": [{"kind": "start", "name": "s"}] * 2001}]),
    ],
)
async def test_each_field_of_a_hello_is_bounded(parts: Parts, field: str, value: object) -> None:
    good = json.loads(encode(hello(ORDER)))
    answer = await send(parts, json.dumps(good | {field: value}))
    assert isinstance(answer, Goodbye)
    assert f"hello.{field}" in answer.message
    assert parts.registry.connected == 0


async def test_binary_data_is_not_a_hello(parts: Parts) -> None:
    answer = await send(parts, b"hello")
    assert answer == Goodbye(
        message="The first message must be Hello, not binary data", refused=True
    )


async def test_pings_do_not_extend_the_time_for_a_hello(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_session, "HELLO_TIMEOUT_S", 0.2)
    url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
    headers = {"Authorization": "Bearer orders"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers=headers, autoping=False) as socket,
    ):
        came: list[aiohttp.WSMsgType] = []
        while aiohttp.WSMsgType.TEXT not in came:
            await socket.ping()
            came.append((await socket.receive(timeout=60)).type)


async def test_a_worker_that_was_refused_often_is_refused_unread_with_the_same_text(
    parts: Parts,
) -> None:
    parts.auth.refuses = True
    greeting = encode(hello(ORDER))
    answers = [
        await send(parts, greeting) for _ in range(connection_limits.MAX_REFUSALS_AT_ONCE * 2)
    ]
    told = str(Goodbye(message="may not execute Order", refused=True))
    assert {str(each) for each in answers} == {told}
    assert len(parts.auth.authorized) < len(answers)
    parts.auth.refuses = False
    assert isinstance(await send(parts, greeting, account="others"), Welcome)


async def test_reviews_of_bad_tokens_from_one_address_are_limited(parts: Parts) -> None:
    for _ in range(connection_limits.MAX_REFUSALS_AT_ONCE * 2):
        answer = await send(parts, account="bad")
        assert isinstance(answer, Goodbye)
        assert answer.refused
    assert len(parts.auth.identified) < connection_limits.MAX_REFUSALS_AT_ONCE * 2


async def test_workers_of_a_new_account_say_hello_a_few_at_a_time(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "MAX_GREETINGS_PER_ACCOUNT", 2)
    monkeypatch.setattr(connection_limits, "GREETING_TIMEOUT_S", 0.01)
    url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer orders"}) as session:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(session.ws_connect(url))
            answer = await send(parts)
            assert isinstance(answer, Goodbye)
            assert answer.message == "Too many workers of Bearer orders come at once; try again"
            assert isinstance(await send(parts, encode(hello(ORDER)), account="others"), Welcome)
        assert isinstance(await send(parts, encode(hello(ORDER))), Welcome)


async def test_connections_that_are_not_accepted_are_bounded(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "MAX_UNACCEPTED_PER_ADDRESS", 1)
    url = f"http://127.0.0.1:{parts.port}{CONNECT_PATH}"
    headers = {"Authorization": "Bearer orders"}
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as first:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
        assert caught.value.status == 503
        await first.send_str(encode(hello(ORDER)))
        assert (await first.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT
        assert isinstance(await send(parts, encode(hello(ORDER))), Welcome)


@pytest.mark.parametrize("sent", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: op\r\n"])
async def test_a_connection_without_a_request_is_closed(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(listener, "FIRST_REQUEST_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    writer.write(sent)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    await close(writer)


async def test_the_oldest_of_too_many_connections_without_a_request_is_closed(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_SILENT_CONNECTIONS", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    _, second = await asyncio.open_connection("127.0.0.1", parts.port)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    await close(writer)
    await close(second)


async def test_a_worker_that_leaves_while_it_waits_for_a_leader_leaves_nothing_behind(
    parts: Parts,
) -> None:
    parts.dispatcher.gate.follow(None)
    _, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    writer.write(
        f"GET {CONNECT_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer orders\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    async with asyncio.timeout(60):
        await until(lambda: parts.dispatcher.connections == 1)
        await close(writer)
        parts.dispatcher.gate.lead()
        await until(lambda: parts.dispatcher.connections == 0)
