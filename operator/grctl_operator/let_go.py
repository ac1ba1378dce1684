"""`python -m grctl_operator.let_go`: for an uninstall, take our finalizer off all runs.

1. No operator may be left: it would hold the runs again. Nothing else of a run is changed; the next
   operator holds the run again and goes on with it.
2. A run that somebody changes meanwhile is read again: the program ends when a list shows no held
   run.
3. If the definition itself is gone, there is nothing to do.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterable, Sequence

from grctl.kube import (
    RUNS,
    Api,
    ApiError,
    ConflictError,
    Connection,
    ConnectionConfigError,
    NotFoundError,
    UnreachableError,
)
from grctl.logs.setup import set_up
from grctl.models import FINALIZER
from grctl_operator.runtime.watch.lists import Json, list_all

PURPOSE = "Take the finalizer of grctl off all runs, for an uninstall."

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the finalizer off all runs. Return the exit code."""
    flags = _parser().parse_args(arguments)
    set_up(os.environ.get("GRCTL_LOG_LEVEL", "info"), flags.log_format)
    try:
        asyncio.run(_let_go(flags.kubeconfig, flags.namespace or [None]))
    except (ConnectionConfigError, ApiError, UnreachableError) as error:
        logger.critical("runs are still held", extra={"error": str(error)})
        return 1
    return 0


async def _let_go(kubeconfig: str | None, namespaces: Iterable[str | None]) -> None:
    async with Api(await Connection.find(kubeconfig)) as api:
        for namespace in namespaces:
            count = await let_go_of_all(api, namespace)
            logger.info("let go", extra={"namespace": namespace, "runs": count})


async def let_go_of_all(api: Api, namespace: str | None) -> int:
    """Take our finalizer off the runs of a namespace, or of all. Return how many had it."""
    count = 0
    while held := await _held(api, namespace):
        for metadata in held:
            count += await _let_go_of(api, metadata)
    return count


async def _held(api: Api, namespace: str | None) -> list[Json]:
    """Return the metadata of the runs with our finalizer, also of runs that cannot be read."""
    try:
        items, _ = await list_all(api, RUNS.path(namespace))
    except NotFoundError:
        return []
    found = [item["metadata"] for item in items]
    return [each for each in found if FINALIZER in each.get("finalizers", ())]


async def _let_go_of(api: Api, metadata: Json) -> bool:
    kept = [each for each in metadata["finalizers"] if each != FINALIZER]
    patch = {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}
    path = RUNS.path(metadata["namespace"], metadata["name"])
    try:
        await api.merge(path, {"metadata": patch})
    except (ConflictError, NotFoundError):
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grctl_operator.let_go", description=PURPOSE)
    add = parser.add_argument
    add("--namespace", action="append", help="of these namespaces only (default: of all)")
    add("--kubeconfig", help="kubeconfig file (KUBECONFIG; default: as kubectl)")
    add("--log-format", choices=("console", "json"), default="console")
    return parser


if __name__ == "__main__":
    sys.exit(main())
