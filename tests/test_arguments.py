"""An error about an argument names it, its value and the type that fits."""

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.arguments import seconds_of
from grctl.client import Client, WorkflowHandle
from grctl.client.sending import SentEvent
from grctl.client.starting import workflow_spec
from grctl.models import Directive
from grctl.worker import Worker
from grctl.worker.context import Context
from grctl.workflow import Workflow

NOBODY: Any = type("Access", (), {"namespace": "shop"})()


def workflow() -> Workflow:
    order = Workflow(workflow_type="Order")

    @order.start()
    async def start(ctx: Context) -> Directive:
        return ctx.next.complete()

    return order


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, None),
        (5, 5.0),
        (0.5, 0.5),
        (0, 0.0),
        (-1, 0.0),
        (timedelta(minutes=1), 60.0),
        (math.inf, None),
        (10**400, None),
    ],
    ids=lambda given: str(given)[:10],
)
def test_a_timeout_is_seconds_or_a_timedelta(given: Any, seconds: float | None) -> None:
    assert seconds_of("timeout", given) == seconds


RUN = {"metadata": {"name": "order-1", "uid": "uid"}, "spec": {"workflow": {"type": "Order"}}}


@pytest.mark.parametrize("given", ["5", "5s", True, [5], object()])
async def test_a_timeout_of_another_type_is_named(given: Any) -> None:
    told = r"^timeout must be seconds or a timedelta, not .* \(\w+\)\.$"
    handle = WorkflowHandle(NOBODY, RUN)
    sent = SentEvent("e", "shop", "order-1", "approve", "uid", NOBODY)

    for wait in (handle.result, handle.finished, sent.settled):
        with pytest.raises(TypeError, match=told):
            await wait(timeout=given)


async def test_a_workflow_type_of_another_type_is_named() -> None:
    with pytest.raises(ValueError, match=r"workflow_type must be text of .* not <Workflow"):
        workflow_spec(workflow(), None, None)  # type: ignore[arg-type]


async def test_a_timeout_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout must be seconds or a timedelta, not nan"):
        await WorkflowHandle(NOBODY, RUN).result(timeout=math.nan)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"namespace": 3}, r"namespace must be text, not 3 \(int\)\."),
        ({"kubeconfig": 3}, r"kubeconfig must be a path, not 3 \(int\)\."),
        ({"context": Path("a")}, r"context must be text, not PosixPath\('a'\) \(PosixPath\)\."),
    ],
)
def test_a_clients_argument_of_a_wrong_type_is_named(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Client(**arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"capacity": "3"}, r"capacity must be a whole number, not '3' \(str\)\."),
        ({"capacity": 2.5}, r"capacity must be a whole number, not 2.5 \(float\)\."),
        ({"capacity": None}, r"capacity must be a whole number, not None \(NoneType\)\."),
        ({"grace": "30s"}, r"grace must be a number of seconds, not '30s' \(str\)\."),
        ({"http_port": "8080"}, r"http_port must be a whole number, not '8080' \(str\)\."),
        ({"http_host": 3}, r"http_host must be text, not 3 \(int\)\."),
        ({"name": 3}, r"name must be text, not 3 \(int\)\."),
        ({"namespace": b"shop"}, r"namespace must be text, not b'shop' \(bytes\)\."),
        ({"operator_url": 8700}, r"operator_url must be text, not 8700 \(int\)\."),
        ({"workflows": None}, r"workflows must be a list of workflows, not None \(NoneType\)\."),
    ],
)
def test_a_workers_argument_of_a_wrong_type_is_named(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Worker(**{"workflows": [workflow()], **arguments})
