"""What the lab's own tests use: an embedded API server, and a lab on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.lab.api_server import EmbeddedApi
from tests.lab.lab import Lab, new_lab
from tests.lab.processes import Processes


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of an API server that knows our resources."""
    directory = tmp_path_factory.mktemp("api")
    with Processes(directory) as processes:
        api = EmbeddedApi(processes, directory)
        asyncio.run(api.start())
        yield api.kubeconfig


@pytest.fixture
async def lab(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Lab]:
    """A lab in a namespace of its own. Its history is checked at the end."""
    async with new_lab(kubeconfig, tmp_path) as lab:
        yield lab
        await lab.check_history()
