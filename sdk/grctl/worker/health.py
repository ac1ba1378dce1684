"""Answer probes of a worker by HTTP: /healthz, /readyz and /metrics.

1. A worker is ready while an operator has welcomed it and it takes executions. A worker that is
   stopping is not ready.
2. Metrics need the extra `metrics`. Without it the rest works, and one log record says so.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from grctl.logs.loggers import get_logger
from grctl.worker.connection import OperatorConnection
from grctl.worker.executions import HeldExecutions
from grctl.worker.lag import LoopWatch

if TYPE_CHECKING:
    from grctl.serving.probes import Exposition

logger = get_logger(__name__)


class WorkerParts(NamedTuple):
    """The parts of a worker that probes and metrics read."""

    connection: OperatorConnection
    executions: HeldExecutions
    loop_watch: LoopWatch


@asynccontextmanager
async def serving_probes(
    host: str,
    port: int | None,
    parts: WorkerParts,
    stopping: Callable[[], bool],
) -> AsyncIterator[int]:
    """Answer probes while the context lasts, and yield the port. If `port` is None, answer none.

    Raises:
        OSError: the port is taken.
    """
    if port is None:
        yield 0
        return
    # Imported here because it takes a fifth of a second, and runs wait for a worker that restarts.
    from grctl.serving.probes import Probes

    def missing() -> str | None:
        if stopping():
            return "is stopping: takes nothing new"
        connection = parts.connection
        return None if connection.is_welcomed else f"is not connected: {connection.trouble}"

    probes = Probes(lambda: None, missing, _exposition(parts))
    await probes.start(host, port)
    try:
        yield probes.port
    finally:
        await probes.stop()


def _exposition(parts: WorkerParts) -> "Exposition | None":
    try:
        from grctl.worker.metrics import exposition
    except ModuleNotFoundError:
        logger.info("no metrics", extra={"hint": "pip install 'grctl[metrics]'"})
        return None
    return exposition(parts)
