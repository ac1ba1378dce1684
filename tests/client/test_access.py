import asyncio
import math
from typing import Any

import pytest

from grctl.client import Client, access
from grctl.client.access import Access, limits_of
from grctl.kube import RUNS, Api, UnreachableError, UntrustedServerError
from tests.client.actions import start
from tests.client.stub_operator import StubOperator


async def test_a_selection_is_read_page_by_page(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "CLIENT_PAGE_SIZE", 2)
    for number in range(5):
        await start(client, f"order-{number}")

    runs = await Access(operator.api, client.namespace).select(RUNS, {})

    names = [run["metadata"]["name"] for run in runs]
    assert names == [f"order-{number}" for number in range(5)]


async def test_a_selected_value_may_have_the_special_characters_of_selectors(
    client: Client, operator: StubOperator
) -> None:
    odd = r"Order, a=b \ c"
    await client.start_workflow(workflow_type=odd, workflow_id="odd")
    await start(client, "order-1")

    fields = {"spec.workflow.type": odd, "status.phase": "Pending"}
    (run,) = await Access(operator.api, client.namespace).select(RUNS, fields)

    assert run["metadata"]["name"] == "odd"


@pytest.mark.parametrize(("retry_period", "times"), [(10.0, 2), (5.0, 1), (35.0, 5)])
async def test_a_request_without_an_answer_is_retried_for_a_limited_time(
    operator: StubOperator, monkeypatch: pytest.MonkeyPatch, retry_period: float, times: int
) -> None:
    now = [0.0]
    paths = []

    async def stay_silent(_api: Api, path: str) -> None:
        paths.append(path)
        now[0] += 8.0
        raise UnreachableError("no answer within 8 s")

    monkeypatch.setattr(Api, "get", stay_silent)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    access_ = Access(operator.api, "default", retry_period=retry_period, sleep=_no_sleep)
    with pytest.raises(UnreachableError):
        await access_.read(RUNS, "order-1")
    monkeypatch.undo()

    assert len(paths) == times


async def _no_sleep(_seconds: float) -> None:
    """Go on at once."""


@pytest.mark.parametrize(
    ("given", "limits"), [(None, (30.0, 35.0)), (0, (None, math.inf)), (7, (7, 7))]
)
def test_a_request_timeout_also_limits_the_retries(given: float | None, limits: Any) -> None:
    assert limits_of(given) == limits


async def test_an_untrusted_server_is_not_asked_again(
    operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []

    async def refuse(_api: Api, path: str) -> None:
        paths.append(path)
        kind = UnreachableError if len(paths) == 1 else UntrustedServerError
        raise kind("no")

    monkeypatch.setattr(Api, "get", refuse)
    with pytest.raises(UntrustedServerError):
        await Access(operator.api, "default").read(RUNS, "order-1")

    assert len(paths) == 2
