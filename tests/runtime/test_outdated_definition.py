"""An API server whose WorkflowRun definition is older than this operator."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from grctl.json.raw_json import RawJson
from grctl.models import HandlerKind, Step, WorkflowRun
from grctl_operator.engine import Urgency
from grctl_operator.engine.decision import Decision
from grctl_operator.runtime.write.run_writer import OutdatedDefinitionError
from tests.runtime.conftest import Cluster, Json
from tests.runtime.test_reconcile import NOON, Runtime, _told, says


@pytest.fixture
async def outdated(cluster: Cluster) -> AsyncIterator[Runtime]:
    made = Runtime(cluster)
    await made.start()
    yield made
    await made.stop()


def drop(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, part: str, field: str) -> None:
    """Make the API server drop a field of a part of the status; no field: the part."""
    replace = runtime.api.replace

    async def drop_and_replace(path: str, body: Json, params: Any = None) -> Json:
        status = dict(body["status"])
        kept = {name: value for name, value in status.pop(part, {}).items() if name != field}
        return await replace(path, {**body, "status": status | ({part: kept} if field else {})})

    monkeypatch.setattr(runtime.api, "replace", drop_and_replace)


def records(run: WorkflowRun, now: datetime) -> Decision:
    journal = {"entries": {"charge/1": {"ok": RawJson(b"1"), "n": 1}}}
    return Decision(says("pays", run, journal=journal), Urgency.NOW)


def retries(run: WorkflowRun, now: datetime) -> Decision:
    step = Step(name="pay", kind=HandlerKind.STEP, since=NOON, attempt=2, failures=1)
    return Decision(says("pays", run, step=step), Urgency.NOW)


@pytest.mark.parametrize(
    ("rule", "part", "field"),
    [(records, "journal", ""), (retries, "step", "failures")],
)
async def test_a_field_that_the_api_server_drops_fails_the_reconcile_and_says_what_to_do(
    outdated: Runtime, monkeypatch: pytest.MonkeyPatch, rule: Any, part: str, field: str
) -> None:
    drop(outdated, monkeypatch, part, field)
    outdated.decides(rule)
    name = f"status.{part}.{field}".rstrip(".")
    with pytest.raises(OutdatedDefinitionError, match=f"the API server drops {name}: its"):
        await outdated.reconcile()
    assert await outdated.message() == "pays"


async def test_a_journal_that_the_api_server_drops_is_not_written_again_and_again(
    outdated: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(outdated, monkeypatch, "journal", "")
    outdated.decides(records)
    await outdated.loop.attempt(outdated.key)
    assert outdated.counted("grctl_reconcile_errors_total", cause="fault") == 1
    assert len(outdated.queue) == 0  # it is tried again with back-off
    (told,) = _told(outdated)
    assert "grctl crds | kubectl apply --server-side -f -" in told.notice.message


async def test_a_definition_of_this_release_keeps_everything(outdated: Runtime) -> None:
    outdated.decides(records)
    await outdated.reconcile()
    outdated.decides(retries)
    await outdated.reconcile()
    assert await outdated.message() == "pays"
