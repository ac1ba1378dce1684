"""Odd messages on the worker connection, both ways: none ends the session of another worker."""

import asyncio
from typing import Any

import aiohttp
import orjson
from hypothesis import strategies as st

from grctl.json.raw_json import dumps
from grctl.models.journal import merge
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import HandlerKind
from grctl.models.run import RunStatus
from grctl.models.wire import (
    CONNECT_PATH,
    Execute,
    Failed,
    Outcome,
    RecordedOperations,
    RecordOperations,
    encode,
)
from grctl.models.wire_reading import (
    UnreadableMessageError,
    read_from_operator,
    read_from_worker,
    stand_in,
)
from grctl_operator.views.reading import read_run
from tests.fuzz.odd import as_bytes, odd, odd_or_broken, with_oddities, written
from tests.fuzz.rounds import OBJECTS, OBJECTS_PER_EXAMPLE, examples_of, in_rounds
from tests.runtime.played_worker import connected, hello
from tests.runtime.workers.dispatcher_parts import KEY, ORDER, OTHER, Parts

Json = dict[str, Any]

PATIENCE_S = 60.0

EXECUTION = {
    "id": "x1",
    "namespace": "shop",
    "workflowId": "order-1",
    "workflowType": "Order",
    "runUid": "uid of order-1",
    "commits": 2,
    "base": "before",
    "handlerKind": "event",
    "handlerName": "approve",
    "attempt": 1,
    "event": "approve-1",
    "eventUid": "e1",
}
ENTRIES = {
    "charge/5f3a09c2/1": {"ok": {"a": [1.5]}, "n": 2, "at": "2026-11-28T12:00:00Z"},
    "mail/00000000/1": {"failed": 2, "of": 5, "error": {"type": "t", "message": "m"}, "next": "n"},
    "print/00000000/2": {"begun": "x1"},
}
RECORD = {"kind": "record", "execution": EXECUTION, "entries": ENTRIES, "awaited": True}
EXECUTE = {
    "kind": "execute",
    "execution": EXECUTION,
    "payload": {"by": ["ann"]},
    "store": {"a": {"b": 1}},
    "ahead": False,
    "journal": ENTRIES,
    "time": "2026-11-28T12:00:00.5Z",
}
OUTCOMES = [
    {
        "kind": "succeeded",
        "directive": {"kind": "wait", "timeout": "PT1H", "timeoutStep": "s"},
        "put": {"a": {"b": [1]}},
        "delete": ["c"],
    },
    {"kind": "succeeded", "directive": {"kind": "complete", "result": {"a": [1]}}, "put": {}},
    {"kind": "failed", "reason": "r", "error": {"type": "t", "message": "m", "stackTrace": "s"}},
    {"kind": "refused", "message": "m"},
]
RUN = {
    "metadata": {"name": "order-1", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
    "spec": {"workflow": {"type": "Order"}},
}
HELLO = {
    "kind": "hello",
    "protocol": 2,
    "protocolHighest": 4,
    "worker": "w",
    "instance": "i",
    "namespace": "shop",
    "capacity": 3,
    "catalogues": [
        {"type": "Order", "handlers": [{"kind": "event", "name": "e", "payload": {"a": {}}}]}
    ],
    "held": [EXECUTION],
}

outcomes = st.sampled_from(OUTCOMES).flatmap(
    lambda result: with_oddities({"kind": "outcome", "execution": EXECUTION, "result": result})
)
sent_by_workers = st.one_of(
    outcomes,
    with_oddities(RECORD),
    with_oddities(HELLO),
    with_oddities({"kind": "declined", "execution": "x1"}),
    with_oddities({"kind": "drain"}),
    odd_or_broken,
)
sent_by_operators = st.one_of(
    with_oddities(EXECUTE),
    with_oddities(
        {"kind": "recorded", "execution": "x1", "keys": ["print/00000000/2"], "entries": ENTRIES}
    ),
    with_oddities({"kind": "release", "execution": "x1", "committed": True, "message": "m"}),
    with_oddities({"kind": "welcome", "operator": "op", "protocol": 2}),
    with_oddities({"kind": "goodbye", "message": "m", "redirect": "u", "refused": True}),
    odd_or_broken,
)


def some(messages: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(messages, min_size=OBJECTS_PER_EXAMPLE, max_size=OBJECTS_PER_EXAMPLE)


def as_text(text: str) -> str:
    return as_bytes(text).decode(errors="replace")


def read(reading: Any, text: str) -> Any:
    """Read a message. Return None if it is unreadable. No other error may come."""
    try:
        return reading(as_text(text))
    except UnreadableMessageError as error:
        assert len(str(error)) <= MAX_MESSAGE_BYTES  # noqa: PT017  it is logged and sent back
        return None


@in_rounds(examples_of(OBJECTS), some(sent_by_workers))
def test_an_operator_can_keep_every_message_that_it_could_read(sent: list[str]) -> None:
    for text in sent:
        message = read(read_from_worker, text)
        if isinstance(message, Outcome):
            execute = Execute(execution=message.execution, store=getattr(message.result, "put", {}))
            assert read(read_from_operator, encode(execute)) is not None
        if isinstance(message, RecordOperations):
            keep_and_tell(message)


def keep_and_tell(message: RecordOperations) -> None:
    """Put a record into a journal, read the run again, and send the journal to workers."""
    journal = {"entries": merge({}, message.entries)}
    status = orjson.loads(dumps(RunStatus(journal=journal).to_json()))
    kept = read_run({**RUN, "status": status}).status.journal
    assert kept == journal
    execute = Execute(execution=message.execution, journal=kept["entries"])
    told = RecordedOperations(execution="x1", entries=kept["entries"])
    for sent in (execute, told):
        assert type(read(read_from_operator, encode(sent))) is type(sent)


@in_rounds(examples_of(OBJECTS), some(sent_by_operators))
def test_a_worker_reads_or_answers_every_message_that_it_gets(sent: list[str]) -> None:
    for text in sent:
        message = read(read_from_operator, text)
        if isinstance(message, Outcome):
            answered = read(read_from_worker, encode(message))
            assert isinstance(answered, Outcome)
            assert answered.execution == message.execution


@in_rounds(examples_of(OBJECTS // 5), some(st.one_of(outcomes, with_oddities(RECORD), odd)))
def test_odd_messages_of_one_worker_do_not_disturb_another(sent: list[str]) -> None:
    asyncio.run(beside_each_other(sent))


async def beside_each_other(sent: list[str]) -> None:
    parts = Parts()
    await parts.dispatcher.start("127.0.0.1", 0)
    try:
        async with connected(parts.port, hello(ORDER, worker="good")) as good:
            parts.dispatch(KEY)
            execute = await good.executes()
            for text in sent:
                await send_odd_message(parts.port, text)
            await good.fails(execute, "as it should")
            async with asyncio.timeout(PATIENCE_S):
                while not is_back(parts, execute):
                    await parts.woken()
    finally:
        await parts.dispatcher.stop()


def is_back(parts: Parts, execute: Execute) -> bool:
    """Return whether an outcome came. Claims of other workers on that run stand beside it."""
    held = (each for each in parts.held(KEY) if each.execution.id == execute.execution.id)
    return any(each.outcome is not None for each in held)


async def send_odd_message(port: int, text: str) -> None:
    url = f"http://127.0.0.1:{port}{CONNECT_PATH}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(encode(hello(ORDER, worker="odd")))
        await socket.receive(timeout=5)
        await socket.send_str(as_text(text).replace("\n", ""))
        await socket.close()


async def test_an_outcome_that_cannot_be_kept_fails_its_run_and_nothing_else() -> None:
    parts = Parts()
    await parts.dispatcher.start("127.0.0.1", 0)
    try:
        async with connected(parts.port, hello(ORDER)) as worker:
            parts.dispatch(KEY)
            parts.dispatch(OTHER)
            first, second = await worker.executes(), await worker.executes()
            deep = "[" * 101 + "]" * 101
            outcome = {"kind": "outcome", "execution": None, "result": OUTCOMES[0]}
            text = written(
                outcome,
                {
                    ".execution": first.execution.model_dump_json(by_alias=True),
                    ".result.put.a": deep,
                },
            )
            await worker.socket.send_str(text)
            await worker.fails(second, "as it should")
            assert {await parts.woken(), await parts.woken()} == {KEY, OTHER}
            (held,) = parts.held(KEY)
            assert held.outcome is not None
            assert isinstance(held.outcome.result, Failed)
            assert (
                "store['a'] is nested deeper than 100 levels" in held.outcome.result.error.message
            )
    finally:
        await parts.dispatcher.stop()


def test_an_execution_ends_by_a_result_if_its_message_cannot_be_written() -> None:
    execution = read(read_from_operator, written(EXECUTE, {})).execution
    outcome = stand_in(Execute(execution=execution, payload="\ud800"), ValueError())
    assert outcome is not None
    assert outcome.execution == execution
    assert isinstance(outcome.result, Failed)
    assert execution.handler_kind is HandlerKind.EVENT
