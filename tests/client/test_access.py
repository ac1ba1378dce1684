import asyncio
import math
from typing import Any

import pytest

from grctl.client import Client, access
from grctl.client.access import Access, limits_of
from grctl.kube import RUNS, Api, UnreachableError, UntrustedServerError
from tests.client.acting import start
from tests.client.playing import PlayedOperator


async def test_what_is_selected_is_read_page_by_page(
    client: Client, operator: PlayedOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "PAGE", 2)
    for number in range(5):
        await start(client, f"order-{number}")

    runs = await Access(operator.api, client.namespace).select(RUNS, {})

    names = [run["metadata"]["name"] for run in runs]
    assert names == [f"order-{number}" for number in range(5)]


async def test_a_value_may_have_what_selectors_mean_something_by(
    client: Client, operator: PlayedOperator
) -> None:
    odd = r"Order, a=b \ c"
    await client.start_workflow(workflow_type=odd, workflow_id="odd")
    await start(client, "order-1")

    fields = {"spec.workflow.type": odd, "status.phase": "Pending"}
    (run,) = await Access(operator.api, client.namespace).select(RUNS, fields)

    assert run["metadata"]["name"] == "odd"


@pytest.mark.parametrize(("patience", "times"), [(10.0, 2), (5.0, 1), (35.0, 5)])
async def test_a_request_without_an_answer_is_made_again_only_so_long(
    operator: PlayedOperator, monkeypatch: pytest.MonkeyPatch, patience: float, times: int
) -> None:
    now = [0.0]
    asked = []

    async def stay_silent(_api: Api, path: str) -> None:
        asked.append(path)
        now[0] += 8.0
        raise UnreachableError("no answer within 8 s")

    monkeypatch.setattr(Api, "get", stay_silent)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    patient = Access(operator.api, "default", patience=patience, sleep=_no_sleep)
    with pytest.raises(UnreachableError):
        await patient.read(RUNS, "order-1")
    monkeypatch.undo()

    assert len(asked) == times


async def _no_sleep(_seconds: float) -> None:
    """Go on at once."""


@pytest.mark.parametrize(
    ("given", "limits"), [(None, (30.0, 35.0)), (0, (None, math.inf)), (7, (7, 7))]
)
def test_a_requests_timeout_is_the_patience_with_it(given: float | None, limits: Any) -> None:
    assert limits_of(given) == limits


async def test_a_server_that_is_another_is_not_asked_again(
    operator: PlayedOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def refuse(_api: Api, path: str) -> None:
        asked.append(path)
        kind = UnreachableError if len(asked) == 1 else UntrustedServerError
        raise kind("no")

    monkeypatch.setattr(Api, "get", refuse)
    with pytest.raises(UntrustedServerError):
        await Access(operator.api, "default").read(RUNS, "order-1")

    assert len(asked) == 2
