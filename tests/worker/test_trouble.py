"""Why a worker has no connection: the words, and how often they are logged."""

import logging
import ssl

import aiohttp
import pytest

from grctl.worker.trouble import Trouble, describe_failure
from tests.worker.fake_operator import fake_operator
from tests.worker.test_connection import Received


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_each_cause_of_an_outage_is_one_warning_also_if_causes_alternate() -> None:
    trouble = Trouble(Clock())
    told = [trouble.note_cause(cause) for cause in ("refused", "silent", "refused", "silent")]
    assert told == [True, True, False, False]
    assert trouble.cause == "silent"


def test_a_lasting_outage_is_a_warning_again_after_growing_pauses() -> None:
    clock = Clock()
    trouble = Trouble(clock)
    told = []
    for second in range(3600):
        clock.time = 1000.0 + second
        if trouble.note_cause("refused"):
            told.append(second)
    assert told == [0, 60, 180, 420, 900, 1500, 2100, 2700, 3300]


def test_the_next_outage_is_a_new_warning() -> None:
    trouble = Trouble(Clock())
    trouble.note_cause("refused")
    trouble.on_connected()
    assert trouble.cause == ""
    assert trouble.note_cause("refused")


def test_causes_without_an_end_do_not_make_a_flood() -> None:
    trouble = Trouble(Clock())
    assert sum(trouble.note_cause(f"refused {number}") for number in range(1000)) == 20


async def failure_of_a_connection(url: str, verify: ssl.SSLContext | bool = True) -> Exception:
    async with aiohttp.ClientSession() as session:
        try:
            await session.ws_connect(url, ssl=verify)
        except (aiohttp.ClientError, OSError) as error:
            return error
    raise AssertionError("it connected")


@pytest.mark.parametrize("verify", [True, ssl.create_default_context()])
async def test_an_address_where_nothing_listens_is_described_in_words(
    verify: ssl.SSLContext | bool,
) -> None:
    error = await failure_of_a_connection("http://127.0.0.1:1/", verify)
    assert describe_failure(error) == "nothing answers at 127.0.0.1:1: Connection refused"


async def test_a_server_that_is_not_an_operator_is_described_in_words() -> None:
    async with fake_operator() as operator:
        error = await failure_of_a_connection(f"{operator.url}/elsewhere")
    assert (
        describe_failure(error) == "what answers is not an operator, or not ready: HTTP status 404"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (aiohttp.ServerDisconnectedError(), "the connection was closed before the operator"),
        (
            aiohttp.ConnectionTimeoutError("Connection timeout"),
            "no answer in time",
        ),
        (PermissionError(13, "Permission denied", "/token"), "[Errno 13] Permission denied"),
        (OSError(), "OSError"),
        (aiohttp.ClientPayloadError("broken"), "broken"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_causes_are_described_in_words(error: Exception, words: str) -> None:
    assert describe_failure(error).startswith(words)


async def test_a_worker_without_its_operator_logs_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With certificates of its own: each connection then has another `SSLContext object at 0x`."""
    monkeypatch.setattr("grctl.worker.connection.verification", ssl.create_default_context)
    caplog.set_level(logging.INFO, "grctl")
    pauses = 0

    async def sleep(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses > 5:
            raise EnoughError

    received = Received("https://127.0.0.1:1", sleep=sleep)
    with pytest.raises(EnoughError):
        await received.task
    assert [each.getMessage() for each in caplog.records] == ["not connected, trying again"]


class EnoughError(Exception):
    pass
