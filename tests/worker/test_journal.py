"""How much one handler may record."""

import pytest

from grctl.json.serialization import size_of
from grctl.models import Directive
from grctl.models.limits import MAX_JOURNAL_BYTES, MAX_JOURNAL_ENTRIES
from grctl.worker.context import Context
from grctl.worker.task import task
from tests.worker import shop
from tests.worker.recording_operator import failure_of, operator_of, result_of
from tests.worker.shop import CALLED, mail


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


@task
async def read(number: int, kib: int) -> str:
    CALLED["read"] += 1
    return "x" * 1024 * kib


@task(record=False)
async def read_unrecorded(kib: int) -> str:
    return "x" * 1024 * kib


async def test_a_result_that_is_too_large_names_the_task_and_what_to_do() -> None:
    async def reads(ctx: Context) -> Directive:
        await read(1, 65)
        return ctx.next.complete()

    failed = failure_of(await operator_of(reads).run())
    assert failed.reason == "BadOutcome"
    assert failed.error.message == (
        "the result of task read is 65.0 KiB of JSON; at most 64.0 KiB are kept. Return a reference"
        " to it, or define the task with @task(record=False): then it runs again in each attempt"
        " at the handler."
    )


async def test_a_large_result_that_is_not_recorded_is_not_limited() -> None:
    async def reads(ctx: Context) -> Directive:
        return ctx.next.complete(len(await read_unrecorded(300)))

    assert result_of(await operator_of(reads).run()) == 300 * 1024


async def test_a_journal_that_is_full_is_an_error_that_says_what_to_do() -> None:
    async def reads(ctx: Context) -> Directive:
        for number in range(5):
            await read(number, 60)
        return ctx.next.complete()

    operator = operator_of(reads)
    failed = failure_of(await operator.run())
    assert failed.error.message.startswith(
        "the result of task read is 60.1 KiB of JSON, and the results that handler start has"
        " recorded leave no room for it: at most 192.0 KiB are kept. Define tasks"
    )
    assert CALLED["read"] == 4
    assert size_of(operator.journal) <= MAX_JOURNAL_BYTES


async def test_a_call_beyond_the_last_entry_is_not_made() -> None:
    async def mails(ctx: Context) -> Directive:
        for number in range(300):
            await mail(str(number))
        return ctx.next.complete()

    failed = failure_of(await operator_of(mails).run())
    assert failed.error.message.startswith(
        "Task mail was not called: handler start has recorded as much as one handler may,"
        " 256 entries and 192.0 KiB."
    )
    assert CALLED.total() == MAX_JOURNAL_ENTRIES


async def test_long_errors_of_many_tasks_fit_into_the_journal() -> None:
    async def fails(ctx: Context) -> Directive:
        for number in range(MAX_JOURNAL_ENTRIES):
            shop.FAILURES["mail"] = [LookupError("x" * 5000)]
            with pytest.raises((LookupError, ValueError)):
                await mail(str(number))
        return ctx.next.complete()

    operator = operator_of(fails)
    await operator.run()
    assert size_of(operator.journal) <= MAX_JOURNAL_BYTES
