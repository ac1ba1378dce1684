"""The reconcile loop: takes keys from the queue, and decides what becomes of a failed reconcile.

1. A reconcile that raises is logged, counted, shown on its run, and tried again with back-off.
   Before that the run is read afresh. Other keys go on.
2. A run whose status is too large in every form is left alone until it changes.
3. A reconcile that lasts gives its turn to another one, and no namespace has all turns (see
   `lingering`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from grctl.kube import ApiError, ConflictError
from grctl.models import RunReason
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.lingering import Lingering
from grctl_operator.runtime.outage import passes
from grctl_operator.runtime.people.announcer import Announcer, involved_object
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.people.notices import Notice
from grctl_operator.runtime.timing import Timing, Why
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write.run_rereader import RunRereader
from grctl_operator.views.runs import RunCache

Reconcile = Callable[[Key], Awaitable[None]]

logger = logging.getLogger(__name__)


class ReconcileLoop:
    """Takes keys from the queue and has them reconciled. Several `run` side by side.

    Args:
        reconcile: Decides once about one run.
        on_turn_left: Is told that a reconcile lasts: another `run` may begin in its place.
    """

    def __init__(
        self,
        reconcile: Reconcile,
        runs: RunCache,
        queue: WorkQueue,
        *,
        timing: Timing,
        rereader: RunRereader,
        announcer: Announcer,
        metrics: Metrics,
        on_turn_left: Callable[[], None],
    ) -> None:
        self._reconcile = reconcile
        self._runs = runs
        self._queue = queue
        self._timing = timing
        self._rereader = rereader
        self._announcer = announcer
        self._metrics = metrics
        self._lingering = Lingering(queue, on_turn_left)

    async def run(self) -> None:
        """Reconcile one key after the other, until cancelled or until another has its turn."""
        while True:
            key = await self._queue.take()
            self._timing.begin(key)
            self._lingering.begin(key, key.namespace)
            try:
                await self.attempt(key)
            finally:
                self._queue.done(key)
                replaced = self._lingering.end(key)
            if replaced:
                return
            if len(self._queue):  # thousands of keys may need no I/O: the watch has its turn too
                await asyncio.sleep(0)

    async def attempt(self, key: Key) -> None:
        """Reconcile a key once; if that fails, note when to try again."""
        try:
            with self._metrics.reconcile_duration.time():
                await self._reconcile(key)
        except ConflictError as error:
            self._metrics.reconcile_errors.labels("conflict").inc()
            logger.info("conflict", extra={"run": str(key), "error": str(error)})
            self._try_later(key)
        except Exception as error:  # noqa: BLE001  # other keys go on
            self._on_failure(key, error)
        else:
            self._timing.on_success(key)

    def _on_failure(self, key: Key, error: Exception) -> None:
        if passes(error):
            fields = {"run": str(key), "error": str(error)}
            logger.warning("reconcile interrupted", extra=fields)
            self._metrics.reconcile_errors.labels("api").inc()
        else:
            self._report_fault(key, error)
        if not _is_too_large(error):
            self._try_later(key)

    def _try_later(self, key: Key) -> None:
        self._rereader.add([key])
        self._timing.add(key, why=Why.FAILED)

    def _report_fault(self, key: Key, error: Exception) -> None:
        self._metrics.reconcile_errors.labels("fault").inc()
        if isinstance(error, ApiError):
            fields = {"run": str(key), "status": error.status, "error": str(error)}
            logger.error("reconcile refused", extra=fields)
        else:
            logger.error("reconcile failed", extra={"run": str(key)}, exc_info=error)
        uid = self._runs.get_uid(key)
        if uid is not None:
            about = involved_object("WorkflowRun", *key, uid)
            then = "waits until it is changed" if _is_too_large(error) else "tries again"
            text = f"The operator could not work on the run and {then}: {error}"
            reason = RunReason.RECONCILE_FAILED
            self._announcer.announce(Notice(about, key, reason, text, warning=True))


def _is_too_large(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.too_large
