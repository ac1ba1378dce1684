"""Messages between operator and worker: the peer reads a message as it was sent."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from grctl.json.raw_json import RawJson
from grctl.models import Complete, HandlerKind, NextStep, RunError, WaitForEvent
from grctl.models.base import Model
from grctl.models.protocol import SPOKEN
from grctl.models.wire import (
    Catalogue,
    Drain,
    Execute,
    Execution,
    Failed,
    Goodbye,
    Hello,
    OfferedHandler,
    Outcome,
    RecordedOperations,
    RecordOperations,
    Refused,
    ReleaseExecution,
    Succeeded,
    Welcome,
    encode,
    from_operator,
    from_worker,
    join_messages,
    split_messages,
)
from grctl.models.wire_reading import read_from_worker, stand_in

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

EXECUTION = Execution(
    id="e1",
    namespace="shop",
    workflow_id="order",
    workflow_type="Order",
    run_uid="u1",
    commits=3,
    base="e0",
    handler_kind=HandlerKind.EVENT,
    handler_name="approve",
    attempt=2,
    event="approve-1",
    event_uid="v1",
)
CATALOGUE = Catalogue(
    type="Order",
    handlers=(
        OfferedHandler(kind=HandlerKind.START, name="begin", payload={"type": "object"}),
        OfferedHandler(kind=HandlerKind.EVENT, name="approve"),
        OfferedHandler(kind=HandlerKind.STEP, name="ship"),
        OfferedHandler(kind=HandlerKind.EVENT, name="reject"),
    ),
)
ERROR = RunError(type="ValueError", message="no stock", stack_trace="line 1")


def outcome(result: Succeeded | Failed | Refused) -> Outcome:
    return Outcome(execution=EXECUTION, result=result)


@pytest.mark.parametrize(
    "message",
    [
        Hello(
            worker="w1",
            instance="i1",
            namespace="shop",
            capacity=4,
            catalogues=(CATALOGUE,),
            held=(EXECUTION,),
        ),
        Drain(),
        outcome(Succeeded(directive=NextStep(step="ship"), put={"n": [1]}, delete=("m",))),
        outcome(Succeeded(directive=WaitForEvent())),
        outcome(
            Succeeded(directive=WaitForEvent(timeout=timedelta(hours=30.5), timeout_step="remind"))
        ),
        outcome(Succeeded(directive=Complete(result={"total": 1.5}))),
        outcome(Succeeded(directive=Complete())),
        outcome(Failed(reason="HandlerFailed", error=ERROR)),
        outcome(Refused(message="n: not a number")),
        Outcome(
            execution=EXECUTION,
            result=Succeeded(directive=Complete()),
            records={"charge/5f3a09c2/1": {"ok": None, "n": 1}},
        ),
    ],
    ids=lambda message: type(getattr(message, "result", message)).__name__,
)
def test_the_operator_reads_a_workers_messages_unchanged(message: Model) -> None:
    assert from_worker.validate_json(encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Welcome(operator="op-1"),
        Execute(execution=EXECUTION, payload={"n": [1, None]}, store={"kept": True, "null": None}),
        Execute(execution=EXECUTION),
        ReleaseExecution(execution="e1", committed=False, message="the run went on without it"),
        Goodbye(message="not the leader", redirect="ws://op-2"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_worker_reads_the_operators_messages_unchanged(message: Model) -> None:
    assert from_operator.validate_json(encode(message)) == message


def test_a_null_in_a_store_is_a_value_like_any_other() -> None:
    put = outcome(Succeeded(directive=NextStep(step="ship"), put={"answer": None}))

    assert json.loads(encode(put))["result"]["put"] == {"answer": None}


def test_an_outcome_without_records_of_its_own_does_not_name_them() -> None:
    sent = json.loads(encode(outcome(Succeeded(directive=Complete()))))

    assert "records" not in sent


def test_a_message_is_one_camel_case_object_that_names_its_kind() -> None:
    sent = json.loads(
        encode(Hello(worker="w1", instance="i", namespace="n", capacity=1, catalogues=()))
    )

    assert (sent["kind"], sent["protocol"]) == ("hello", SPOKEN.lowest)
    assert json.loads(encode(Execute(execution=EXECUTION)))["execution"]["workflowId"] == "order"


@pytest.mark.parametrize("text", ['{"kind": "gossip"}', "{}", '{"kind": "execute"}', "no json"])
def test_a_text_that_is_not_a_message_of_a_worker_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        from_worker.validate_json(text)


def test_a_field_of_a_newer_protocol_is_ignored() -> None:
    assert from_worker.validate_json('{"kind": "drain", "politely": true}') == Drain()


def test_a_catalogue_knows_its_start_handler_whatever_its_name() -> None:
    assert CATALOGUE.has(HandlerKind.START, "start")
    assert not Catalogue(type="Order", handlers=()).has(HandlerKind.START, "start")


@pytest.mark.parametrize(
    ("kind", "name", "has"),
    [
        (HandlerKind.EVENT, "approve", True),
        (HandlerKind.STEP, "ship", True),
        (HandlerKind.STEP, "approve", False),
        (HandlerKind.EVENT, "aprove", False),
    ],
)
def test_a_catalogue_knows_handlers_by_kind_and_name(
    kind: HandlerKind, name: str, has: bool
) -> None:
    assert CATALOGUE.has(kind, name) is has


def test_a_catalogue_lists_its_events_in_the_order_of_definition() -> None:
    assert CATALOGUE.event_names == ("approve", "reject")


@pytest.mark.parametrize(
    "text",
    [
        '"secret"',
        '{"kind": "outcome", "execution": "secret", "result": {"kind": "secret"}}',
        '{"kind": "execute", "execution": {"id": ["secret"]}, "payload": "secret"}',
    ],
)
def test_an_unreadable_message_is_not_quoted(text: str) -> None:
    for adapter in (from_worker, from_operator):
        with pytest.raises(ValidationError) as refused:
            adapter.validate_json(text)
        assert "input_value" not in str(refused.value)


def test_messages_that_go_together_are_parted_again_whatever_is_in_them() -> None:
    said = [
        Execute(execution=EXECUTION, payload="two\nlines\r\u2028and more"),
        Welcome(operator="o"),
    ]

    came = split_messages(join_messages(map(encode, said)))

    assert [from_operator.validate_json(each) for each in came] == said


ENTRIES = {"charge/5f3a09c2/1": {"ok": None, "n": 1}, "mail/0/1": {"failed": 1, "of": 2}}


def test_a_task_that_returned_none_is_recorded_with_its_result() -> None:
    record = RecordOperations(execution=EXECUTION, entries=ENTRIES, awaited=True)

    assert json.loads(encode(record))["entries"] == ENTRIES
    assert from_worker.validate_json(encode(record)) == record


def test_the_operator_carries_the_results_of_tasks_as_raw_json() -> None:
    sent = encode(RecordOperations(execution=EXECUTION, entries=ENTRIES))

    read = read_from_worker(sent)

    assert isinstance(read, RecordOperations)
    assert read.entries == {
        "charge/5f3a09c2/1": {"ok": RawJson(b"null"), "n": 1},
        "mail/0/1": {"failed": 1, "of": 2},
    }
    told = RecordedOperations(execution="e1", keys=("a",), entries=read.entries)
    execute = Execute(execution=EXECUTION, payload=0, journal=read.entries, time=NOON)
    assert from_operator.validate_json(encode(told)) == told.model_copy(update={"entries": ENTRIES})
    assert from_operator.validate_json(encode(execute)) == execute.model_copy(
        update={"journal": ENTRIES}
    )


def test_the_operator_carries_the_answers_to_queries_as_raw_json() -> None:
    sent = outcome(Succeeded(directive=Complete(), answers={"summary": {"n": 1}}))

    read = read_from_worker(encode(sent))

    assert isinstance(read, Outcome)
    assert isinstance(read.result, Succeeded)
    assert read.result.answers == {"summary": RawJson(b'{"n":1}')}


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("[1]", "entry 'charge' is not an object"),
        (f'{{"ok": {"[" * 101}{"]" * 101}}}', "the result of entry 'charge' is nested deeper"),
        (f'{{"error": {"[" * 101}{"]" * 101}}}', "the field 'error' of entry 'charge' is nested"),
    ],
)
def test_a_record_that_cannot_be_kept_fails_its_handler(entry: str, why: str) -> None:
    sent = encode(RecordOperations(execution=EXECUTION, entries={"charge": {}}))

    read = read_from_worker(sent.replace("{}", entry))

    assert isinstance(read, Outcome)
    assert read.execution == EXECUTION
    assert isinstance(read.result, Failed)
    assert read.result.error.message.startswith(f"The record cannot be kept: {why}")


def test_a_record_that_cannot_be_written_fails_its_handler() -> None:
    instead = stand_in(RecordOperations(execution=EXECUTION), ValueError())

    assert instead is not None
    assert isinstance(instead.result, Failed)
    assert instead.result.reason == "BadOutcome"


def test_the_operator_carries_the_records_that_come_with_an_outcome_as_raw_json() -> None:
    done = outcome(Succeeded(directive=Complete()))
    sent = done.model_copy(update={"records": ENTRIES})

    read = read_from_worker(encode(sent))

    assert isinstance(read, Outcome)
    assert read.records is not None
    assert read.records["charge/5f3a09c2/1"] == {"ok": RawJson(b"null"), "n": 1}
    assert read_from_worker(encode(done)) == done
