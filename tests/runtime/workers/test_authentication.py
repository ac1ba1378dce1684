"""A worker of a ServiceAccount and an operator that asks for its token, as in a cluster."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from grctl.models import Directive
from grctl.worker import Worker
from grctl.worker.context import Context
from grctl.workflow import Workflow
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.workers import worker_auth
from tests.runtime.conftest import PATIENCE, Cluster
from tests.runtime.test_operator import operating
from tests.runtime.workers.test_worker_auth import AuthParts

order = Workflow(workflow_type="Order")


@order.start()
async def start(ctx: Context) -> Directive:
    return ctx.next.complete("done")


@pytest.fixture
async def parts(cluster: Cluster) -> AuthParts:
    made = AuthParts(cluster)
    await made.account()
    return made


async def write_token(parts: AuthParts, path: Path) -> str:
    """Write a token as the kubelet does. Return it."""
    text = (await parts.token()).removeprefix("Bearer ")
    await asyncio.to_thread(path.write_text, text)
    return text


@pytest.fixture
async def token(parts: AuthParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "token"
    await write_token(parts, path)
    monkeypatch.setenv("GRCTL_WORKER_TOKEN_FILE", str(path))
    return path


@asynccontextmanager
async def working(operator: Operator, cluster: Cluster) -> AsyncIterator[None]:
    async def soon(_seconds: float) -> None:
        await asyncio.sleep(0.01)

    url = f"http://127.0.0.1:{operator.port}"
    worker = Worker([order], url, name="worker-1", namespace=cluster.namespace, sleep=soon)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while text not in str([vars(each) for each in caplog.records]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_granted_worker_executes(parts: AuthParts, token: Path) -> None:
    cluster = parts.cluster
    await parts.grant("Order")
    async with operating(cluster, worker_auth="token") as operator, working(operator, cluster):
        await cluster.start("order-1")
        await cluster.until_phase("order-1", "Completed")


async def test_a_refused_worker_logs_what_is_missing_once_and_connects_when_it_is_granted(
    parts: AuthParts, token: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_auth, "REFUSAL_KEPT_S", 0.05)
    cluster = parts.cluster
    caplog.set_level(logging.INFO, "grctl")
    async with operating(cluster, worker_auth="token") as operator, working(operator, cluster):
        await logged(caplog, "--verb=execute --resource=workflowruns.grctl.dev")
        await cluster.start("order-1")
        await cluster.until_run("order-1", lambda run: bool(run["status"].get("message")))
        assert operator.deciding.registry.connected == 0
        await parts.grant("Order")
        await cluster.until_phase("order-1", "Completed")
    warned = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert sum("not connected" in each.getMessage() for each in warned) == 1


async def test_a_worker_whose_token_was_renewed_comes_back_with_the_new_one(
    parts: AuthParts, token: Path
) -> None:
    cluster = parts.cluster
    await parts.grant("Order")
    async with operating(cluster, worker_auth="token") as operator, working(operator, cluster):
        await cluster.start("order-1")
        await cluster.until_phase("order-1", "Completed")
        renewed = await write_token(parts, token)
        (session,) = operator.deciding.dispatcher._sessions.values()
        await session.leave("the token has expired")
        await cluster.start("order-2")
        await cluster.until_phase("order-2", "Completed")
        (again,) = operator.deciding.dispatcher._sessions.values()
    assert again.credential == f"Bearer {renewed}" != session.credential


async def test_a_worker_without_a_token_is_not_accepted(parts: AuthParts) -> None:
    cluster = parts.cluster
    async with operating(cluster, worker_auth="token") as operator, working(operator, cluster):
        await cluster.start("order-1")
        await cluster.until_run("order-1", lambda run: bool(run["status"].get("message")))
        assert operator.deciding.registry.connected == 0
