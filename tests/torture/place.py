"""Where it plays: an API server of its own, or that of a cluster, and what can be done to it.

The cluster of $TORTURE_KUBECONFIG is told by commands how its API server and its store go down and
come up: $TORTURE_API_DOWN and $TORTURE_API_UP, $TORTURE_STORE_DOWN and $TORTURE_STORE_UP. Without
them it stays up.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grctl.kube import Api, ApiError, Connection, UnreachableError
from tests.lab.api_server import READY, EmbeddedApi, install_resources
from tests.lab.processes import PATIENCE, Processes, eventually

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Part:
    """What can be killed of an API server, and started again."""

    name: str
    down: Act
    up: Act
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is down: nobody kills what is dead."""


@dataclass(frozen=True)
class Place:
    """An API server that knows our resources."""

    kubeconfig: Path
    processes: Processes
    parts: tuple[Part, ...]


@asynccontextmanager
async def placed(directory: Path) -> AsyncIterator[Place]:
    """Give a place; leaving it ends the processes."""
    with Processes(directory) as processes:
        named = os.environ.get("TORTURE_KUBECONFIG")
        if named:
            kubeconfig = Path(named)
            install_resources(kubeconfig, directory)
            yield Place(kubeconfig, processes, _parts_of_cluster())
            return
        server = EmbeddedApi(processes, directory)
        await server.start()
        yield Place(server.kubeconfig, processes, (_embedded(server),))


async def answers(kubeconfig: Path) -> None:
    """Wait until the API server reads and writes again."""
    async with Api(await Connection.find(kubeconfig)) as api:

        async def ready() -> bool:
            try:
                await api.get("/readyz")
            except (ApiError, UnreachableError, ValueError):  # it says "ok", which is no JSON
                return False
            return True

        await eventually(ready, "the API server answers", patience=2 * PATIENCE)


def _embedded(server: EmbeddedApi) -> Part:
    async def down() -> None:
        server.process.kill()

    async def up() -> None:
        await server.process.start().until_said(READY)

    return Part("api", down, up)


def _parts_of_cluster() -> tuple[Part, ...]:
    def command(name: str) -> Act | None:
        text = os.environ.get(f"TORTURE_{name}")
        return (lambda: _run(text)) if text else None

    parts = []
    for name in ("API", "STORE"):
        down, up = command(f"{name}_DOWN"), command(f"{name}_UP")
        if down and up:
            parts.append(Part(name.lower(), down, up))
    return tuple(parts)


async def _run(command: str) -> None:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{command}: {said}"
