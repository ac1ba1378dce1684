"""On an idle cluster watches are silent, and no operator ends because of it.

Intervals are shortened, so that a quarter of an hour passes in seconds: seven silences, each
answered by a list, and three streams that end. A real API server sends at most one bookmark a
minute, so a watch is silent in these seconds as it is for minutes on an idle cluster.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from grctl.kube import EVENTS
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import Settings
from grctl_operator.runtime.watch import list_watch
from tests.lab.lab import Lab
from tests.lab.waiting import eventually

SILENCES = 7
ENDS = 3
RESOURCES = ("workflowruns", "workflowevents")

pytestmark = pytest.mark.alone


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SILENCE_S", 1.5), ("SILENCE_JITTER_S", 0.1), ("STREAM_S", 1)):
        monkeypatch.setattr(list_watch, name, value)
    monkeypatch.setattr(list_watch, "STREAM_JITTER_S", 1)


@asynccontextmanager
async def two_operators(lab: Lab) -> AsyncIterator[list[Operator]]:
    """Yield one that leads and one that stands by."""
    settings = Settings((lab.namespace,), kubeconfig=str(lab.kubeconfig), dispatcher_port=0)
    async with AsyncExitStack() as stack:
        operators = []
        for _ in range(2):
            operator = Operator(settings)
            stack.push_async_callback(operator.stop)
            await operator.connect()
            operator.begin()
            await eventually(partial(is_ready, operator), "an operator is ready")
            operators.append(operator)
        yield operators


def is_ready(operator: Operator) -> bool:
    return operator.ready


def restarts_of(operator: Operator) -> Callable[[str, str], float]:
    return lambda resource, cause: operator.metrics.value(
        "grctl_watch_restarts_total", resource=resource, cause=cause
    )


def was_idle(operator: Operator) -> bool:
    """Return whether a quarter of an hour has passed for its watches."""
    count = restarts_of(operator)
    return all(
        count(resource, "silent") >= SILENCES and count(resource, "ended") >= ENDS
        for resource in RESOURCES
    )


async def test_operators_on_an_idle_cluster_keep_running(lab: Lab) -> None:
    async with two_operators(lab) as operators:
        await lab.client.start_workflow(workflow_type="Append", workflow_id="idle")
        for operator in operators:
            await eventually(partial(was_idle, operator), "a quarter of an hour passes")
        assert [each.leading for each in operators] == [True, False]
        assert [each.ready for each in operators] == [True, True]
        assert not any(each.ended.is_set() or each.restored for each in operators)
        lab.ports["operator"] = operators[0].port
        lab.worker().start()
        sent = await lab.client.send(workflow_id="idle", event_name="append", payload=1)
        await eventually(lambda: is_processed(lab, sent.name), "its event is handled")


async def is_processed(lab: Lab, name: str) -> bool:
    event = await lab.api.get(EVENTS.path(lab.namespace, name))
    return bool(event["status"]["phase"] == "Processed")
