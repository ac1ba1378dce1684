"""Calls of tasks in handlers: what is called again, and what is not, after a worker is lost."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest

from grctl.models import Directive, RetryPolicy
from grctl.models.journal import is_final
from grctl.models.wire import RecordOperations
from grctl.worker.context import Context
from grctl.worker.task import (
    TaskFailedError,
    TaskInterruptedError,
    TaskResultError,
    current_task,
    task,
)
from tests.worker import shop
from tests.worker.recording_operator import (
    failure_of,
    operator_of,
    result_of,
    settle,
)
from tests.worker.shop import CALLED, FAILURES, GATES, KEYS, charge, mail, ship


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


def gate(call: str) -> asyncio.Event:
    """Stop a call until the event is set."""
    return GATES.setdefault(call, asyncio.Event())


async def until_called(call: str, times: int = 1) -> None:
    """Run the loop until a call was made so often."""
    while CALLED[call] < times:  # noqa: ASYNC110  what calls has no event
        await asyncio.sleep(0)


async def three(ctx: Context) -> Directive:
    receipt = await charge("abc", amount=7)
    return ctx.next.complete([receipt.id, receipt.amount, await mail("abc"), await ship("abc")])


async def test_a_recorded_task_is_not_called_again_after_the_worker_is_killed() -> None:
    operator = operator_of(three)
    gate("mail abc")
    await operator.begin()
    await settle()
    await operator.kill()
    GATES.clear()

    outcome = await operator.run()

    assert result_of(outcome) == ["r-abc-1", 7, "mailed abc", "shipped abc"]
    assert CALLED == {"charge abc": 1, "mail abc": 2, "ship abc": 1}


async def test_a_task_that_was_running_is_called_again_with_the_same_key() -> None:
    operator = operator_of(three)
    gate("charge abc")
    await operator.begin()
    await settle()
    await operator.kill()
    GATES.clear()

    await operator.run()

    first, second, mailed, shipped = KEYS
    assert first == second
    assert len({first, mailed, shipped}) == 3


async def test_the_next_task_begins_only_when_the_record_of_the_last_one_is_durable() -> None:
    operator = operator_of(three)
    operator.writes_at_once = False
    await operator.begin()
    await settle()
    (record,) = operator.messages

    assert (list(record.entries), record.awaited) == ([next(iter(record.entries))], True)
    assert CALLED == {"charge abc": 1}
    operator.write()
    await settle()
    assert CALLED == {"charge abc": 1, "mail abc": 1}


async def test_a_handler_with_one_task_sends_its_record_with_the_outcome_only() -> None:
    async def one(ctx: Context) -> Directive:
        return ctx.next.complete((await charge("abc")).id)

    operator = operator_of(one)
    outcome = await operator.run()

    assert operator.messages == []
    ((key, entry),) = (outcome.records or {}).items()
    assert key.startswith("charge/")
    assert entry["ok"] == {"id": "r-abc-1", "amount": 120}


async def test_gathered_tasks_wait_for_no_record_and_are_not_called_again() -> None:
    async def many(ctx: Context) -> Directive:
        return ctx.next.complete(await asyncio.gather(*(mail(str(n)) for n in range(20))))

    operator = operator_of(many)
    for number in range(10, 20):
        gate(f"mail {number}")
    await operator.begin()
    await settle()
    assert len(operator.journal) == 10
    assert not any(message.awaited for message in operator.messages)
    await operator.kill()
    GATES.clear()

    outcome = await operator.run()

    assert result_of(outcome) == [f"mailed {number}" for number in range(20)]
    assert [CALLED[f"mail {n}"] for n in range(20)] == [1] * 10 + [2] * 10


async def test_the_result_is_what_a_replay_returns_also_in_the_call_that_ran() -> None:
    @task
    async def measure() -> tuple[int, float]:
        return (1, 2.0)

    @task
    async def measure_untyped():  # type: ignore[no-untyped-def]
        return (1, {"at": charge_time})

    async def both(ctx: Context) -> Directive:
        return ctx.next.complete([repr(await measure()), repr(await measure_untyped())])

    charge_time = RetryPolicy
    charge_time = 3  # type: ignore[assignment]
    assert result_of(await operator_of(both).run()) == ["(1, 2.0)", "[1, {'at': 3}]"]


async def test_a_result_that_does_not_fit_its_annotation_fails_in_the_first_call() -> None:
    calls = []

    @task
    async def count() -> int:
        calls.append(1)
        return "many"  # type: ignore[return-value]

    async def counts(ctx: Context) -> Directive:
        with pytest.raises(TaskResultError, match="Task count is annotated to return another"):
            await count()
        return ctx.next.complete()

    operator = operator_of(counts)
    operator.journal = dict((await operator.run()).records or {})
    await operator.run()
    assert calls == [1]


# Failures


async def test_a_failed_attempt_is_recorded_and_the_pause_is_kept_over_a_kill() -> None:
    async def insists(ctx: Context) -> Directive:
        return ctx.next.complete(await shop.insist("abc"))

    operator = operator_of(insists)
    FAILURES["insist"] = [ConnectionError("503"), ConnectionError("504")]
    operator.writes_at_once = False
    await operator.begin()
    await settle()
    operator.write()
    await operator.kill()
    ((_, entry),) = operator.journal.items()
    assert (entry["failed"], entry["of"]) == (1, 3)
    assert entry["error"] == {"type": "ConnectionError", "message": "503"}
    operator.time.slept, operator.time.seconds = [], 0.25
    operator.writes_at_once = True

    assert result_of(await operator.run()) == "insisted abc"

    # The rest is 0.75 s. The new worker's clock may be ahead of the old one's by a second.
    assert operator.time.slept == [1.0, 2.0]
    assert CALLED == {"insist abc": 3}
    assert [attempt for _, attempt in KEYS] == [1, 2, 3]
    assert len({key for key, _ in KEYS}) == 1


async def test_attempts_in_all_workers_are_those_of_the_policy() -> None:
    async def insists(ctx: Context) -> Directive:
        try:
            return ctx.next.complete(await shop.insist("abc"))
        except ConnectionError as error:
            return ctx.next.complete(f"gave up: {error}")

    operator = operator_of(insists)
    FAILURES["insist"] = [ConnectionError(str(n)) for n in range(9)]
    gate_of_third = asyncio.Event()
    await operator.begin()
    await until_called("insist abc", 2)
    GATES["insist abc"] = gate_of_third
    await settle()
    await operator.kill()
    GATES.clear()

    assert result_of(await operator.run()) == "gave up: 2"


async def test_an_error_that_is_not_tried_again_is_raised_at_once() -> None:
    async def insists(ctx: Context) -> Directive:
        with pytest.raises(shop.CardDeclinedError, match="no money"):
            await shop.insist("abc")
        return ctx.next.complete()

    FAILURES["insist"] = [shop.CardDeclinedError("no money")]
    await operator_of(insists).run()
    assert CALLED == {"insist abc": 1}


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (shop.CardDeclinedError("no money"), "CardDeclinedError: no money"),
        (shop.LimitError(10), "LimitError: over 10"),
        (KeyError("order"), "KeyError: \"'order'\""),
        (FileNotFoundError(2, "No such file"), "FileNotFoundError: [Errno 2] No such file"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), "TaskFailedError: task charge failed: "),
        (asyncio.CancelledError(), "CancelledError: "),
    ],
)
async def test_a_final_error_that_the_handler_caught_takes_the_same_branch_without_a_call(
    error: BaseException, seen: str
) -> None:
    told = []

    async def catches(ctx: Context) -> Directive:
        try:
            await charge("abc")
        except (Exception, asyncio.CancelledError) as caught:  # noqa: BLE001  all of them
            told.append(f"{type(caught).__name__}: {caught}")
        return ctx.next.complete(await mail("abc"))

    operator = operator_of(catches)
    FAILURES["charge"] = [error]
    gate("mail abc")
    await operator.begin()
    await settle()
    await operator.kill()
    GATES.clear()
    await operator.run()

    first, second = told
    assert first == second
    assert first.startswith(seen)
    assert CALLED["charge abc"] == 1


async def test_an_error_of_a_class_that_is_not_loaded_is_a_task_failed_error() -> None:
    async def catches(ctx: Context) -> Directive:
        with pytest.raises(TaskFailedError) as caught:
            await charge("abc")
        return ctx.next.complete([caught.value.type, caught.value.message])

    operator = operator_of(catches)
    FAILURES["charge"] = [LookupError("x")]
    entries = (await operator.run("start")).records or {}
    operator = operator_of(catches)
    error = {"type": "payments.errors.Declined", "message": "no money"}
    operator.journal = {key: {**entry, "error": error} for key, entry in entries.items()}

    assert result_of(await operator.run()) == ["payments.errors.Declined", "no money"]


async def test_an_attempt_that_takes_too_long_fails_with_a_timeout_error() -> None:
    async def hurries(ctx: Context) -> Directive:
        with pytest.raises(TimeoutError, match="hurry took longer than 5ms"):
            await shop.hurry("abc")
        return ctx.next.complete("late")

    gate("hurry abc")
    assert result_of(await operator_of(hurries).run()) == "late"


async def test_a_result_that_is_not_json_fails_the_run_and_names_the_task() -> None:
    @task
    async def connect() -> object:
        return object()

    async def connects(ctx: Context) -> Directive:
        return ctx.next.complete(str(await connect()))

    failed = failure_of(await operator_of(connects, retry_policy=RetryPolicy(max_attempts=3)).run())
    assert (failed.reason, failed.policy) == ("BadOutcome", None)
    assert failed.error.message.startswith("the result of task connect is a object")


# once


async def test_a_task_that_runs_once_begins_only_when_its_beginning_is_durable() -> None:
    async def fires(ctx: Context) -> Directive:
        return ctx.next.complete(await shop.fire("abc"))

    operator = operator_of(fires)
    operator.writes_at_once = False
    await operator.begin()
    await settle()
    (record,) = operator.messages
    assert (next(iter(record.entries.values()))["begun"], record.awaited) == ("e1", True)
    assert CALLED == {}
    operator.write()
    assert result_of(await operator.outcome()) == "fired abc"


async def test_a_task_that_runs_once_does_not_run_again_after_a_kill() -> None:
    async def fires(ctx: Context) -> Directive:
        try:
            return ctx.next.complete(await shop.fire("abc"))
        except TaskInterruptedError as error:
            return ctx.next.complete(str(error))

    operator = operator_of(fires)
    gate("fire abc")
    await operator.begin()
    await settle()
    await operator.kill()

    for _ in range(2):
        told = result_of(await operator.run())
        assert told.startswith("Task fire (once=True) began in an earlier attempt, at 2026-01-02T")
    assert CALLED == {"fire abc": 1}
    assert [is_final(entry) for entry in operator.journal.values()] == [True]


# Cancellation


async def test_a_call_that_the_handler_gave_up_is_given_up_again_without_a_call() -> None:
    async def races(ctx: Context) -> Directive:
        with suppress(TimeoutError):
            await asyncio.wait_for(charge("abc"), 0.001)
            return ctx.next.complete("charged")
        return ctx.next.complete(await mail("abc"))

    operator = operator_of(races)
    gate("charge abc")
    gate("mail abc")
    await operator.begin()
    await until_called("mail abc")
    await operator.kill()
    GATES.clear()

    assert result_of(await operator.run()) == "mailed abc"
    assert CALLED["charge abc"] == 1


async def test_a_call_that_was_cancelled_with_its_execution_is_called_again() -> None:
    operator = operator_of(three)
    gate("charge abc")
    await operator.begin()
    await settle()
    operator.release("e1", committed=False)
    await settle()
    assert operator.journal == {}
    GATES.clear()

    await operator.run()
    assert CALLED["charge abc"] == 2


async def test_the_loser_of_a_race_loses_again() -> None:
    async def races(ctx: Context) -> Directive:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(charge("slow")), group.create_task(mail("quick"))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                each.cancel()
        return ctx.next.complete([str(each.result()) for each in done] + [await ship("abc")])

    operator = operator_of(races)
    gate("charge slow")
    gate("ship abc")
    await operator.begin()
    await settle()
    await operator.kill()
    GATES.clear()

    assert result_of(await operator.run()) == ["mailed quick", "shipped abc"]
    assert CALLED["charge slow"] == 1


# Two attempts alive, and operators that come and go


async def test_a_result_that_comes_after_another_attempts_record_gives_way_to_it() -> None:
    async def one(ctx: Context) -> Directive:
        return ctx.next.complete([(await charge("abc")).id, await mail("abc")])

    operator = operator_of(one)
    opened = gate("charge abc")
    paused = await operator.begin()
    await settle()
    first = operator.worker
    operator.worker = operator.new_worker()
    GATES.clear()
    assert result_of(await operator.run())[0] == "r-abc-2"
    recorded = operator.messages[-1]
    first.on_recorded(_told(paused, recorded))

    operator.worker = first
    opened.set()

    assert result_of(await operator.outcome()) == ["r-abc-2", "mailed abc"]


async def test_a_handler_that_saw_another_result_runs_again_with_the_one_that_counts() -> None:
    seen = []

    async def one(ctx: Context) -> Directive:
        seen.append((await charge("abc")).id)
        return ctx.next.complete([seen[-1], await mail("abc")])

    operator = operator_of(one)
    operator.writes_at_once = False
    paused = await operator.begin()
    await settle()
    (late,) = operator.messages
    ((key, entry),) = late.entries.items()
    first = {**entry, "ok": {"id": "r-abc-of-another", "amount": 120}}
    told = RecordOperations(execution=paused.execution, entries={key: first})

    operator.worker.on_recorded(_told(paused, told))

    assert result_of(await operator.outcome()) == ["r-abc-of-another", "mailed abc"]
    assert seen == ["r-abc-1", "r-abc-of-another"]
    assert CALLED == {"charge abc": 1, "mail abc": 1}


def _told(execute: Any, record: RecordOperations) -> Any:
    from grctl.models.wire import RecordedOperations

    return RecordedOperations(execution=execute.execution.id, entries=record.entries)


async def test_an_older_operator_gets_no_records_and_tasks_are_plain_functions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operator = operator_of(three)
    operator.protocol = 3
    for _ in range(2):
        outcome = await operator.run()
        assert outcome.records is None
    assert operator.messages == []
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.message == "tasks are not recorded: upgrade the operator"


async def test_a_handler_that_waits_for_a_record_goes_on_if_the_operator_keeps_none() -> None:
    operator = operator_of(three)
    operator.writes_at_once = False
    await operator.begin()
    await settle()
    operator.protocol = 3
    assert operator.worker.unanswered == ()
    assert result_of(await operator.outcome())[2:] == ["mailed abc", "shipped abc"]


# Outside of records


async def test_a_task_that_is_not_recorded_runs_again_and_is_tried_again() -> None:
    async def looks(ctx: Context) -> Directive:
        return ctx.next.complete([await shop.look(object), await mail("abc")])

    operator = operator_of(looks)
    FAILURES["look"] = [ConnectionError("503")]
    gate("mail abc")
    await operator.begin()
    await settle()
    await operator.kill()
    GATES.clear()
    await operator.run()

    assert CALLED == {"look <class 'object'>": 3, "mail abc": 2}


async def test_a_task_in_a_task_is_the_plain_function_with_a_key_of_its_own() -> None:
    @task
    async def outer() -> list[str]:
        inner = [(await charge("abc")).id, (await charge("abc")).id]
        return [*inner, current_task().name]

    async def calls(ctx: Context) -> Directive:
        return ctx.next.complete(await outer())

    operator = operator_of(calls)
    outcome = await operator.run()
    assert result_of(outcome) == ["r-abc-1", "r-abc-2", "outer"]
    assert [key.split("/")[0] for key in outcome.records or {}] == ["outer"]
    assert len({key for key, _ in KEYS}) == 2


async def test_a_task_that_is_called_after_its_handler_has_ended_is_refused() -> None:
    left: list[asyncio.Task[Any]] = []
    may_call = asyncio.Event()

    async def forgets(ctx: Context) -> Directive:
        async def later() -> None:
            await may_call.wait()
            await charge("abc")

        left.append(asyncio.create_task(later()))
        await asyncio.sleep(0)
        return ctx.next.complete()

    await operator_of(forgets).run()
    may_call.set()
    with pytest.raises(RuntimeError, match="Handler start has ended, so nothing is called"):
        await left[0]
    assert CALLED == {}


async def test_the_outcome_tells_people_which_tasks_ran() -> None:
    async def several(ctx: Context) -> Directive:
        await shop.insist("abc")
        await asyncio.gather(mail("a"), mail("b"))
        return ctx.next.complete((await charge("abc")).id)

    operator = operator_of(several)
    FAILURES["insist"] = [ConnectionError("503"), ConnectionError("503")]
    outcome = await operator.run()
    assert outcome.result.kind == "succeeded"
    assert outcome.result.tasks == "insist (3), mail x2, charge"
    assert operator.worker.tasks == {"attempts": 6, "succeeded": 4}


async def test_the_log_has_the_task_and_its_key_but_no_argument(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def insists(ctx: Context) -> Directive:
        return ctx.next.complete(await shop.insist("secret"))

    FAILURES["insist"] = [ConnectionError("503"), shop.CardDeclinedError("no")]
    await operator_of(insists).run()
    again, failed, _ = caplog.records
    assert (again.message, failed.message) == ("task failed, trying again", "task failed")
    assert again.task == "insist"  # type: ignore[attr-defined]
    assert (again.task_attempt, again.delay_s) == (1, 1.0)  # type: ignore[attr-defined]
    assert "secret" not in str([vars(again), vars(failed)])
