"""An embedded API in this process, with a clock that tests set."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grctl_local import LocalServer
from tests.conformance.client import Api
from tests.conformance.kubeconfig import load
from tests.conformance.widgets import CRDS, Widgets, definition

GROUP = "local.grctl.dev"


@dataclass
class ManualClock:
    """A clock that only tests move."""

    now: datetime = datetime(2026, 1, 1, 12, 0, 0, 250_000, UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **duration: float) -> None:
        """Move the clock forward."""
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server(clock: ManualClock, tmp_path: Path) -> AsyncIterator[LocalServer]:
    async with LocalServer(kubeconfig_path=tmp_path / "kubeconfig", clock=clock) as server:
        yield server


@pytest.fixture
async def widgets(server: LocalServer) -> AsyncIterator[Widgets]:
    async with Api(load(server.kubeconfig_path)) as api:
        (await api.post(CRDS, definition(GROUP))).expect(201)
        yield Widgets(api, GROUP, "default")
