"""What the lab's own tests use: an embedded API server, and a lab on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lab.api_server import api_server
from tests.lab.lab import Lab, new_lab


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The kubeconfig of an API server that knows our resources."""
    async with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server.kubeconfig


@pytest.fixture
async def lab(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Lab]:
    """A lab in a namespace of its own. Its history is checked at the end."""
    async with new_lab(kubeconfig, tmp_path) as lab:
        yield lab
        await lab.check_history()
