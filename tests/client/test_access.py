import pytest

from grctl.client import Client, access
from grctl.client.access import Access
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
