"""Records between workers and operator, on real sockets; no API server and no engine."""

import json
from typing import Any

import pytest

from grctl.json.raw_json import RawJson
from grctl.models import WorkflowRun
from grctl.models.directive import WaitForEvent
from grctl.models.limits import MAX_JOURNAL_BYTES
from grctl.models.phases import HandlerKind
from grctl.models.wire import (
    Execute,
    Failed,
    Goodbye,
    RecordedOperations,
    RecordOperations,
    ReleaseExecution,
    encode,
    from_operator,
)
from grctl_operator.engine import decision
from grctl_operator.engine.decision import ConfirmRecords
from grctl_operator.runtime.workers.worker_session import WorkerSession
from tests.runtime.played_worker import PlayedWorker, connected, hello
from tests.runtime.workers.dispatcher_parts import (
    APPROVE,
    KEY,
    NOON,
    ORDER,
    OTHER,
    Parts,
    ahead_of,
    run,
)

Json = dict[str, Any]

OK: Json = {"ok": {"id": 7}, "n": 1}
CARRIED: Json = {"ok": RawJson(b'{"id":7}'), "n": 1}
OLDER = hello(ORDER, worker="older", instance="older", protocol_highest=3)


def run_with(event_uid: str | None = None, **entries: Json) -> WorkflowRun:
    """Return the run with a journal."""
    found = run(KEY)
    journal = {"eventUid": event_uid, "entries": entries}
    return found.model_copy(update={"status": found.status.model_copy(update={"journal": journal})})


def dispatch(parts: Parts, found: WorkflowRun, *, of_event: bool = False) -> None:
    kind, name = (HandlerKind.EVENT, "approve") if of_event else (HandlerKind.START, "start")
    event = APPROVE if of_event else None
    effect = decision.Dispatch(kind, name, 2, commits=2, base="before", event=event)
    parts.dispatcher.dispatch(KEY, found, effect)


async def begun(parts: Parts, worker: PlayedWorker) -> Execute:
    parts.dispatch()
    return await worker.executes()


def only_session(parts: Parts) -> WorkerSession:
    (session,) = parts.dispatcher._sessions.values()
    return session


async def until_recorded(parts: Parts, times: int = 1) -> None:
    while len(parts.records) < times:
        await parts.woken()


async def test_a_record_is_kept_for_the_engine_and_its_run_is_reported(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=OK)
        await worker.records(execute, mail=OK, awaited=True)
        await until_recorded(parts, 2)
        (held,) = parts.held()
    assert held.records == {"charge": CARRIED, "mail": CARRIED}
    assert parts.records == [(KEY, False), (KEY, True)]


async def test_a_record_of_the_execution_of_another_account_is_void(parts: Parts) -> None:
    async with (
        connected(parts.port, hello(ORDER), token="orders") as worker,
        connected(parts.port, hello(ORDER, worker="two", capacity=0), token="thief") as thief,
    ):
        execute = await begun(parts, worker)
        await thief.records(execute, charge=OK)
        released = await thief.hear(ReleaseExecution)
        assert (released.execution, released.committed) == (execute.execution.id, False)
        assert [each.records for each in parts.held()] == [{}]


async def test_a_record_of_an_execution_that_is_not_known_yet_is_taken_over(parts: Parts) -> None:
    before = Parts()
    await before.dispatcher.start("127.0.0.1", 0)
    async with connected(before.port, hello(ORDER)) as worker:
        execute = await begun(before, worker)
    await before.dispatcher.stop()
    async with connected(parts.port, hello(ORDER)) as worker:
        await worker.records(execute, charge=OK)
        await until_recorded(parts)
    assert [each.records for each in parts.held()] == [{"charge": CARRIED}]


async def test_a_worker_is_told_what_is_durable_and_the_rest_is_kept(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=OK, mail=OK, awaited=True)
        await until_recorded(parts)
        effect = ConfirmRecords(execute.execution.id, ("charge",), {"print": OK})
        parts.dispatcher.confirm(run_with(charge=CARRIED, print=OK), effect)
        told = await worker.hear(RecordedOperations)
        (held,) = parts.held()
    assert told == RecordedOperations(
        execution=execute.execution.id, keys=("charge",), entries={"print": OK}
    )
    assert (held.records, held.awaits_records) == ({"mail": CARRIED}, True)


async def test_a_record_that_came_while_the_journal_was_written_is_not_called_durable(
    parts: Parts,
) -> None:
    failed = {"failed": 1, "of": 2}
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=failed)
        await worker.records(execute, charge={"cancelled": True})
        await until_recorded(parts, 2)
        effect = ConfirmRecords(execute.execution.id, ("charge",))
        parts.dispatcher.confirm(run_with(charge=failed), effect)
        told = await worker.hear(RecordedOperations)
    assert told.keys == ()
    assert [each.records for each in parts.held()] == [{"charge": {"cancelled": True}}]


async def test_the_entry_that_counts_replaces_the_record_of_a_second_attempt(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=OK)
        await until_recorded(parts)
        first = {"ok": RawJson(b"1"), "n": 1}
        effect = ConfirmRecords(execute.execution.id, entries={"charge": first})
        parts.dispatcher.confirm(run_with(charge=first), effect)
        told = await worker.hear(RecordedOperations)
    assert (told.keys, told.entries) == ((), {"charge": {"ok": 1, "n": 1}})
    assert [each.records for each in parts.held()] == [{}]


async def test_a_worker_that_is_away_is_told_nothing_and_may_repeat_its_records(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER, instance="a")) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=OK)
        await until_recorded(parts)
    effect = ConfirmRecords(execute.execution.id, ("charge",))
    while any(not each.lost for each in parts.held()):
        await parts.woken()
    parts.dispatcher.confirm(run_with(charge=CARRIED), effect)
    kept = [each.records for each in parts.held()]
    async with connected(parts.port, hello(ORDER, instance="a")) as worker:
        await worker.records(execute, charge=OK)
        await until_recorded(parts, 2)
        parts.dispatcher.confirm(run_with(charge=CARRIED), effect)
        told = await worker.hear(RecordedOperations)
    assert (kept, told.keys) == ([{}], ("charge",))


async def test_nothing_is_confirmed_of_a_run_that_is_gone(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=OK)
        await until_recorded(parts)
        parts.dispatcher.confirm(None, ConfirmRecords(execute.execution.id, ("charge",)))
        parts.dispatcher.confirm(run(KEY), ConfirmRecords("unknown", ("charge",)))
        assert [each.records for each in parts.held()] == [{"charge": CARRIED}]


async def test_a_handler_gets_the_journal_of_earlier_attempts_and_the_time(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        dispatch(parts, run_with(charge=CARRIED))
        execute = await worker.executes()
    assert (execute.journal, execute.time) == ({"charge": OK}, NOON)


async def test_a_handler_does_not_get_the_journal_of_another_event(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        dispatch(parts, run_with("e1", charge=CARRIED), of_event=True)
        own = await worker.executes()
        dispatch(parts, run_with("e0", charge=CARRIED), of_event=True)
        others = await worker.executes()
    assert (own.journal, others.journal) == ({"charge": OK}, {})


async def test_an_event_that_is_handed_over_ahead_gets_the_time_and_no_journal(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        first = (await begun(parts, worker)).execution
        parts.dispatcher.dispatch(KEY, run_with("e1", charge=OK), ahead_of(first.id, 3, APPROVE))
        ahead = await worker.executes()
    assert (ahead.ahead, ahead.journal, ahead.time) == (True, {}, NOON)


async def test_a_worker_of_an_older_protocol_gets_what_it_got_before(parts: Parts) -> None:
    async with connected(parts.port, OLDER) as worker:
        dispatch(parts, run_with(charge=CARRIED))
        frame = json.loads(await worker.socket.receive_str(timeout=5))
        execution = frame["execution"]["id"]
        parts.dispatcher.confirm(run_with(charge=CARRIED), ConfirmRecords(execution, ("charge",)))
        parts.dispatcher.release(decision.Release(execution, committed=False))
        next_message = json.loads(await worker.socket.receive_str(timeout=5))
    assert frame.keys() == {"kind", "execution", "ahead", "payload", "store"}
    assert next_message["kind"] == "release"


async def test_a_worker_of_an_older_protocol_may_not_record(parts: Parts) -> None:
    async with connected(parts.port, OLDER) as worker:
        execute = await begun(parts, worker)
        await worker.records(execute, charge=OK)
        answer = from_operator.validate_json(await worker.socket.receive_str(timeout=5))
    assert isinstance(answer, Goodbye)
    assert "RecordOperations needs protocol 4, and this connection agreed upon 3" in answer.message


async def test_a_worker_that_records_too_much_fails_its_handler_and_no_other(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        parts.dispatch(OTHER)
        other = await worker.executes()
        await worker.records(execute, charge={"ok": "x" * 3 * MAX_JOURNAL_BYTES})
        assert await parts.woken() == KEY
        await worker.records(other, charge=OK)
        assert await parts.woken() == OTHER
    (held,), (beside,) = parts.held(), parts.held(OTHER)
    assert held.outcome is not None
    assert isinstance(held.outcome.result, Failed)
    assert held.outcome.result.reason == "BadOutcome"
    assert held.outcome.result.error.message.startswith("start recorded 576.0 KiB; a handler may")
    assert (held.records, beside.records) == ({}, {"charge": CARRIED})


async def test_a_record_that_cannot_be_carried_fails_its_handler_and_says_why(
    parts: Parts,
) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        text = encode(RecordOperations(execution=execute.execution, entries={"charge": {"ok": 0}}))
        await worker.socket.send_str(text.replace('"ok":0', f'"ok":{"[" * 101}{"]" * 101}'))
        assert await parts.woken() == KEY
    (held,) = parts.held()
    assert held.outcome is not None
    assert isinstance(held.outcome.result, Failed)
    assert held.outcome.result.error.message == (
        "The record cannot be kept: the result of entry 'charge' is nested deeper than 100 levels"
    )


async def test_a_release_that_the_next_handler_waits_for_does_not_linger(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        first = await begun(parts, worker)
        parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.execution.id, 3, APPROVE))
        second = await worker.executes()
        await worker.succeeds(first, WaitForEvent())
        await worker.records(second, awaited=True)
        await until_recorded(parts)
        session = only_session(parts)
        parts.dispatcher.release(decision.Release(first.execution.id, committed=True))
        assert session._has_outgoing.is_set()
        released = await worker.hear(ReleaseExecution)
    assert released.execution == first.execution.id


async def test_a_handler_that_waits_is_sent_the_release_that_lingers(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        first = await begun(parts, worker)
        parts.dispatcher.dispatch(KEY, run(KEY), ahead_of(first.execution.id, 3, APPROVE))
        second = await worker.executes()
        session = only_session(parts)
        parts.dispatcher.release(decision.Release(first.execution.id, committed=True))
        lingered = not session._has_outgoing.is_set()
        parts.dispatcher._records.take(
            session,
            next(iter(parts.dispatcher._sessions)),
            RecordOperations(execution=second.execution, awaited=True),
        )
        assert (lingered, session._has_outgoing.is_set()) == (True, True)


async def test_records_that_the_commit_made_superfluous_are_counted(parts: Parts) -> None:
    async with connected(parts.port, hello(ORDER)) as worker:
        execute = await begun(parts, worker)
        failed = {"failed": 1, "of": 2, "error": {"type": "E", "message": "m"}}
        await worker.records(execute, charge=failed, mail=OK)
        await until_recorded(parts)
        parts.dispatcher.release(decision.Release(execute.execution.id, committed=True))
    assert parts.metrics.value("grctl_records_superseded_total") == 2
    assert parts.metrics.value("grctl_task_failures_total") == 1


@pytest.mark.parametrize("alone", [False, True])
async def test_a_handler_with_a_journal_is_sent_to_the_worker_that_records(
    parts: Parts, alone: bool
) -> None:
    async with (
        connected(parts.port, OLDER),
        connected(parts.port, hello(ORDER, worker="new")) as worker,
    ):
        effect = decision.Dispatch(
            HandlerKind.START, "start", 2, commits=2, base="before", alone=alone
        )
        parts.dispatcher.dispatch(KEY, run_with(charge=CARRIED), effect)
        execute = await worker.executes()
    assert execute.journal == {"charge": OK}
