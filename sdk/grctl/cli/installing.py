"""A Kubernetes API that has just been started: wait until it answers, and give it our resources."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from grctl.kube import CRDS, Api, ApiError, Connection, ConnectionConfigError, UnreachableError
from grctl.models.crds import all_crds

POLL = 0.02  # s: between looks at a file and at a port of this machine
MANAGER = "grctl-dev"

Version = tuple[int, int] | None
"""A file's identity and time; None: there is no file."""


def version_of(path: Path) -> Version:
    """Say which version of a file is there."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


async def written_anew(path: Path, before: Version) -> None:
    """Wait until a file is another than it was: an old kubeconfig may lead to another server."""
    while version_of(path) in {None, before}:  # noqa: ASYNC110  files cannot be awaited
        await asyncio.sleep(POLL)


async def listening(port: int) -> None:
    """Wait until something on this machine listens on a port."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(POLL)


async def install_crds(kubeconfig: Path) -> None:
    """Apply the CustomResourceDefinitions, once the API answers, until they are established."""
    async with Api(await Connection.find(kubeconfig), user_agent=MANAGER) as api:
        await _answering(api)
        for crd in all_crds():
            path = CRDS.path(name=crd["metadata"]["name"])
            await api.apply(path, crd, MANAGER)
            while not _established(await api.get(path)):  # noqa: ASYNC110  local, and brief
                await asyncio.sleep(POLL)


async def _answering(api: Api) -> None:
    while True:
        with contextlib.suppress(UnreachableError, ApiError, ConnectionConfigError):
            await api.get("/version")
            return
        await asyncio.sleep(POLL)


def _established(crd: dict[str, Any]) -> bool:
    conditions = crd.get("status", {}).get("conditions", [])
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
