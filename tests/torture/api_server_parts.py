"""What can be killed of an API server, and started again.

An embedded API server is one process. For a cluster, commands say how its API server and its store
go down and come up: $TORTURE_API_DOWN and $TORTURE_API_UP, $TORTURE_STORE_DOWN and
$TORTURE_STORE_UP. A part without commands stays up.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.lab.api_server import ApiServer, EmbeddedApi

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class ApiServerPart:
    """The API server itself, or its store."""

    down: Act
    up: Act
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the part is down, so that it is not killed twice."""


def parts_of(server: ApiServer) -> tuple[ApiServerPart, ...]:
    """Return what can be killed of an API server."""
    if server.embedded is not None:
        return (_embedded(server.embedded),)
    parts = (_part_of_cluster(name) for name in ("API", "STORE"))
    return tuple(part for part in parts if part is not None)


def _embedded(api: EmbeddedApi) -> ApiServerPart:
    async def down() -> None:
        api.process.kill()

    async def up() -> None:
        await api.start_again()

    return ApiServerPart(down, up)


def _part_of_cluster(name: str) -> ApiServerPart | None:
    down = os.environ.get(f"TORTURE_{name}_DOWN")
    up = os.environ.get(f"TORTURE_{name}_UP")
    return ApiServerPart(lambda: _run(down), lambda: _run(up)) if down and up else None


async def _run(command: str) -> None:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{command}: {output}"
