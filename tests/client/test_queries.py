"""Asking a run: answers are those of its last commit, and an unknown name is told what there is."""

from dataclasses import dataclass
from typing import Any

import pytest

from grctl.client import (
    AnswerTypeError,
    Client,
    QueryFailedError,
    UnknownQueryError,
    WorkflowNotFoundError,
)
from grctl.kube import RUNS
from grctl.models.answers import ERRORS_KEY
from tests.client.actions import start
from tests.client.stub_operator import StubOperator


@dataclass
class Total:
    eur: int


ANSWERS = {
    "summary": "120 EUR for a laptop",
    "total": {"eur": 120},
    "nothing": None,
    ERRORS_KEY: {"lines": "KeyError: 'lines'"},
}


async def answered(operator: StubOperator, **fields: Any) -> None:
    status = {"phase": "WaitEvent", "commits": 3, "wait": {"since": "2026-11-28T12:00:00Z"}}
    await operator.set_status(RUNS, "order-abc", **{**status, "answers": ANSWERS, **fields})


async def test_an_answer_is_that_of_the_last_commit(client: Client, operator: StubOperator) -> None:
    handle = await start(client)
    await answered(operator)

    assert await handle.query("summary") == "120 EUR for a laptop"
    assert await handle.query("total") == {"eur": 120}
    assert await handle.query("total", return_type=Total) == Total(eur=120)
    assert await handle.query("nothing") is None
    assert (await handle.describe()).answers == {
        "summary": "120 EUR for a laptop",
        "total": {"eur": 120},
        "nothing": None,
    }


async def test_an_unknown_query_is_told_which_there_are(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await answered(operator)

    with pytest.raises(UnknownQueryError, match="has answers to 'lines', 'nothing', 'summary'"):
        await handle.query("sumary")
    with pytest.raises(UnknownQueryError, match="has no query"):
        await handle.query(ERRORS_KEY)


async def test_a_query_that_failed_says_why_and_at_which_commit(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await answered(operator)

    with pytest.raises(QueryFailedError, match="had no answer at commit 3: KeyError: 'lines'"):
        await handle.query("lines")


async def test_a_run_without_answers_says_whether_they_may_come(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)

    with pytest.raises(UnknownQueryError, match="they come with the outcome of its start handler"):
        await handle.query("summary")
    await answered(operator, answers={})
    with pytest.raises(UnknownQueryError, match="the worker that ran its last handler has no"):
        await handle.query("summary")


async def test_an_answer_that_does_not_fit_the_type_is_not_returned(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await answered(operator)

    with pytest.raises(AnswerTypeError, match="The answer to 'summary' does not fit"):
        await handle.query("summary", return_type=Total)


async def test_a_run_that_was_deleted_has_no_answers(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await operator.api.delete(RUNS.path(operator.namespace, "order-abc"))
    await operator.release("order-abc")

    with pytest.raises(WorkflowNotFoundError):
        await handle.query("summary")
