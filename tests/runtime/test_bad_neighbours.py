"""A namespace whose admission webhooks hang, deny or fail all writes, beside one that is well."""

import asyncio
from typing import Any

import pytest

from grctl.kube import Api, ApiError
from grctl_operator.runtime import lingering
from tests.runtime.conftest import Cluster
from tests.runtime.test_operator import operating
from tests.runtime.watch.test_watches import both, other, plays

__all__ = ["other"]

RUNS = 40  # more than there are turns, and connections of a pool would be with ten of these
FAILURES = {
    "hang": None,
    "deny": ApiError(403, "Forbidden", 'admission webhook "x" denied the request'),
    "fail": ApiError(500, "InternalError", "failed calling webhook"),
}


class HangingApi(Api):
    """An API server with webhooks over one namespace."""

    namespace = ""
    error: Exception | None = None
    tried: asyncio.Event

    async def replace(self, path: str, body: Any, params: Any = None) -> Any:
        if f"/namespaces/{self.namespace}/workflow" in path:
            self.tried.set()
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        return await super().replace(path, body, params)


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_namespace_whose_writes_do_not_succeed_holds_up_no_other(
    cluster: Cluster, other: Cluster, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HangingApi, "namespace", other.namespace)
    monkeypatch.setattr(HangingApi, "error", FAILURES[failure])
    monkeypatch.setattr(HangingApi, "tried", asyncio.Event(), raising=False)
    monkeypatch.setattr("grctl_operator.runtime.operator.Api", HangingApi)
    monkeypatch.setattr(lingering, "LINGERS_AFTER_S", 0.01)
    for number in range(RUNS):
        await other.start(f"order-{number}", desired={"terminate": True})
    async with operating(cluster, **both(cluster, other)) as operator:
        await asyncio.wait_for(HangingApi.tried.wait(), 60)
        assert await plays(operator, cluster) == [0, 1]
