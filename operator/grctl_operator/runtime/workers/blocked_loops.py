"""BlockedLoops: the reports of workers whose event loop is blocked.

1. A worker whose loop is blocked answers no heartbeats. One of its threads reports by a POST that
   the worker lives, and that its executions run. They are not lost for as long as it reports, but
   for LONGEST_BLOCKAGE_S at most: a handler that never returns must be found too.
2. A report counts only if it comes from the worker's own account.
3. All runs of the worker say which handler blocks it, and where in the code.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from aiohttp import web
from pydantic import ValidationError

from grctl.models.wire import Blocked
from grctl_operator.engine.observation import Blockage, whole_second
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.leader_gate import NotHereError
from grctl_operator.runtime.workers.worker_auth import RefusedError, WorkerAuth
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.team import Group, WorkerProcess

LONGEST_BLOCKAGE_S = 300.0  # the kubelet restarts a worker by then too (the worker's chart)
MAX_REPORT_BYTES = 8192

logger = logging.getLogger(__name__)


class BlockedLoops:
    """Takes the reports.

    Args:
        registry: Knows the workers.
        queue: Where the runs of a worker are added.
        auth: Knows whose a report is.
        wait_longer: Begins the grace of a worker anew, if it is away.
        offer_room: Wakes the next run of a group that waits for room.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        registry: ExecutionRegistry,
        queue: WorkQueue,
        auth: WorkerAuth,
        *,
        wait_longer: Callable[[str], None],
        offer_room: Callable[[Group], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._queue = queue
        self._auth = auth
        self._wait_longer = wait_longer
        self._offer_room = offer_room
        self._monotonic = monotonic
        self._began: dict[str, float] = {}
        """When the loop of each worker was first reported as blocked, by its instance."""

    async def on_report(self, request: web.Request) -> web.Response:
        """Answer a report: 204, or why it is refused."""
        if (request.content_length or 0) > MAX_REPORT_BYTES:
            return web.Response(status=413)
        try:
            report = Blocked.model_validate_json(await request.content.read(MAX_REPORT_BYTES))
            identity = await self._auth.identify(request.headers.get("Authorization"))
        except ValidationError:
            return web.Response(status=400)
        except RefusedError as error:
            return web.Response(status=403, text=f"{error}\n")
        except NotHereError as error:
            return web.Response(status=503, text=f"{error}\n")
        worker = self._registry.roster.find(report.instance)
        if worker is None or worker.identity != identity.name:
            return web.Response(status=404, text="No such worker is connected here.\n")
        self._note(worker, report)
        return web.Response(status=204)

    def _note(self, worker: WorkerProcess, report: Blocked) -> None:
        if report.over:
            self._began.pop(worker.instance, None)
            self._log("event loop of a worker was blocked", worker, report)
            self._set(worker, None)
            for group in worker.groups:
                self._offer_room(group)
            return
        if worker.blocked is None:
            self._began = self._still_blocked() | {worker.instance: self._monotonic()}
            self._log("event loop of a worker blocked", worker, report)
        if self._monotonic() - self._began[worker.instance] < LONGEST_BLOCKAGE_S:
            self._wait_longer(worker.instance)
        self._set(worker, self._blockage(worker, report))

    def _still_blocked(self) -> dict[str, float]:
        """Return the entries of workers whose loop is still blocked."""
        found = {each: self._registry.roster.find(each) for each in self._began}
        return {
            each: self._began[each]
            for each, worker in found.items()
            if worker is not None and worker.blocked is not None
        }

    def _blockage(self, worker: WorkerProcess, report: Blocked) -> Blockage:
        known = worker.blocked
        if known is not None and known.execution == report.execution:
            return known  # the line changes with each report: a write each time would be too much
        began = self._registry.now() - timedelta(seconds=min(report.seconds, LONGEST_BLOCKAGE_S))
        execution = self._registry.find(report.execution)
        if execution is not None and execution.namespace != worker.namespace:
            execution = None
        return Blockage(
            since=whole_second(began),
            position=report.place,
            execution=execution.id if execution else None,
            handler=f"{execution.handler_name} of {execution.workflow_id}" if execution else None,
        )

    def _set(self, worker: WorkerProcess, blockage: Blockage | None) -> None:
        if worker.blocked == blockage:
            return
        for key in self._registry.on_blockage(worker.instance, blockage):
            self._queue.add(key)

    def _log(self, message: str, worker: WorkerProcess, report: Blocked) -> None:
        execution = self._registry.find(report.execution)
        named = (
            {
                "run": f"{execution.namespace}/{execution.workflow_id}",
                "handler": execution.handler_name,
                "attempt": execution.attempt,
                "execution": execution.id,
            }
            if execution
            else {}
        )
        fields = {"worker": worker.name, "seconds": round(report.seconds, 1), "at": report.place}
        logger.warning(message, extra=named | fields)
