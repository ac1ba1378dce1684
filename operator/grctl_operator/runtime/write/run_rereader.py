"""RunRereader: reads again the runs of which the cache may be wrong, before they are decided.

1. After a refused write or a lost answer the cache may differ from the API server, so the run is
   read. It is also read if another operator wrote it until now: at once if something waits for it,
   otherwise before its first dispatch. A journal that the watch has not shown yet names tasks that
   have run, and the fence does not know of it.
2. A commit whose answer was lost may have been stored. If the run is as it was written, the commit
   is followed up: it is counted and logged, and its `after` effects are performed. Otherwise the
   engine decides anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from grctl.json.raw_json import dumps
from grctl.kube import RUNS, Api, NotFoundError
from grctl.models import RunStatus, WorkflowRun
from grctl_operator.engine import Decision
from grctl_operator.engine.decision import Dispatch, Effect
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.write.effects import Effects
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.runs import RunCache


@dataclass(frozen=True, slots=True)
class _SentCommit:
    """A write that makes something true, with the run and the decision that it was made from."""

    run: WorkflowRun
    status: RunStatus
    decided: Decision


class RunRereader:
    """Reads runs afresh, and follows up commits whose answer was lost."""

    def __init__(
        self,
        api: Api,
        runs: RunCache,
        executions: ExecutionRegistry,
        *,
        effects: Effects,
        activity_log: ActivityLog,
    ) -> None:
        self._api = api
        self._runs = runs
        self._executions = executions
        self._effects = effects
        self._activity_log = activity_log
        self._to_read: set[Key] = set()
        self._written_by_others: set[Key] = set()
        """Runs that another operator may have written since this one saw them."""
        self._sent: dict[Key, _SentCommit] = {}
        """Commits that may have been stored or not, or whose effects are not performed yet."""

    def add(self, keys: Iterable[Key]) -> None:
        """Read these runs before anything is decided about them."""
        self._to_read.update(keys)

    def add_written_by_others(self, keys: Iterable[Key]) -> None:
        """Read these runs before their first dispatch."""
        self._written_by_others.update(keys)

    def reads_before(self, key: Key, effects: Iterable[Effect]) -> bool:
        """Return whether a run is to be read before these effects, and note that."""
        if key not in self._written_by_others:
            return False
        if not any(isinstance(effect, Dispatch) for effect in effects):
            return False
        self._to_read.add(key)
        return True

    async def read(self, key: Key) -> None:
        """Read a run if it is to be read.

        Raises:
            ApiError, UnreachableError: it is still to be read.
        """
        if key not in self._to_read:
            return
        uid = self._runs.get_uid(key)
        try:
            item = await self._api.get(RUNS.path(key.namespace, key.name))
        except NotFoundError:
            self._sent.pop(key, None)
            if uid is not None:
                self._runs.on_missing(key, uid)
        else:
            self._runs.on_answer(item)
            await self._follow_up(key, item)
        self._to_read.discard(key)
        self._written_by_others.discard(key)

    def on_send(self, key: Key, run: WorkflowRun, status: RunStatus, decided: Decision) -> None:
        """Note that a commit is about to be sent."""
        self._sent[key] = _SentCommit(run, status, decided)

    def on_commit(self, key: Key, run: WorkflowRun, status: RunStatus) -> None:
        """Count and log a commit that was stored."""
        self._written_by_others.discard(key)
        before = run.status
        executions = self._executions.chain(status.last_execution, before.last_execution)
        self._activity_log.on_commit(key, before, status, executions)

    def on_follow_up(self, key: Key) -> None:
        """Note that the last commit was followed up, or was refused."""
        self._sent.pop(key, None)

    async def _follow_up(self, key: Key, item: dict[str, Any]) -> None:
        """Follow up a commit whose answer was lost, if the run is as it was written."""
        sent = self._sent.pop(key, None)
        if sent is None or item.get("status") != orjson.loads(dumps(sent.status.to_json())):
            return  # it was not stored, or the run has gone on: the engine decides anew
        if item["metadata"]["uid"] == sent.run.metadata.uid:
            self.on_commit(key, sent.run, sent.status)
            await self._effects.perform(key, self._runs.get(key), sent.decided.after)
