"""A Kubernetes API that has just been started: wait until it answers, and install our CRDs."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from grctl.kube import CRDS, Api, ApiError, Connection, ConnectionConfigError, UnreachableError
from grctl.models.crds import all_crds

INSTALL_POLL_S = 0.02  # between looks at a file, a port or an object of this machine
FIELD_MANAGER = "grctl-dev"

Version = tuple[int, int] | None
"""The identity and the time of a file; None if there is no file."""


def version_of(path: Path) -> Version:
    """Return the present version of a file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


async def wait_until_replaced(path: Path, before: Version) -> None:
    """Wait until a file is replaced. An old kubeconfig may name another server."""
    while version_of(path) in {None, before}:  # noqa: ASYNC110  files cannot be awaited
        await asyncio.sleep(INSTALL_POLL_S)


async def wait_until_listening(port: int) -> None:
    """Wait until a process of this machine listens on a port."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(INSTALL_POLL_S)


async def install_crds(kubeconfig: Path) -> None:
    """Apply the CustomResourceDefinitions, once the API answers, until they are established."""
    async with Api(await Connection.find(kubeconfig), user_agent=FIELD_MANAGER) as api:
        await _wait_until_answering(api)
        for crd in all_crds():
            path = CRDS.path(name=crd["metadata"]["name"])
            await api.apply(path, crd, FIELD_MANAGER)
            while not _is_established(await api.get(path)):  # noqa: ASYNC110  local, and brief
                await asyncio.sleep(INSTALL_POLL_S)


async def _wait_until_answering(api: Api) -> None:
    while True:
        with contextlib.suppress(UnreachableError, ApiError, ConnectionConfigError):
            await api.get("/version")
            return
        await asyncio.sleep(INSTALL_POLL_S)


def _is_established(crd: dict[str, Any]) -> bool:
    conditions = crd.get("status", {}).get("conditions", [])
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
