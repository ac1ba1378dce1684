"""Finalizer: keeps a run until its events are settled and removed (see `purger`), then lets it go.

1. The list of finalizers is written whole, over the version that was decided upon. If another
   client added a finalizer meanwhile, it is not lost: the write is a conflict.
2. A run without any finalizer is gone as soon as the API server has answered.
3. A run whose time is over is deleted as a person would do it: the finalizer does the rest.
"""

from typing import Any

from grctl.kube import RUNS, Api
from grctl.models import FINALIZER, WorkflowRun
from grctl_operator.engine.observation import Key
from grctl_operator.views.runs import RunCache


class Finalizer:
    """Holds runs, deletes them, and lets them go."""

    def __init__(self, api: Api, runs: RunCache) -> None:
        self._api = api
        self._runs = runs

    async def hold(self, key: Key, run: WorkflowRun) -> None:
        """Add the finalizer of grctl to a run."""
        await self._write(key, run, (*run.metadata.finalizers, FINALIZER))

    async def let_go(self, key: Key, run: WorkflowRun) -> None:
        """Remove the finalizer of grctl from a run."""
        kept = tuple(each for each in run.metadata.finalizers if each != FINALIZER)
        await self._write(key, run, kept)

    async def let_go_unread(self, key: Key, metadata: dict[str, Any]) -> None:
        """Remove the finalizer from a run that cannot be read: its deletion must not hang.

        Events that it may have consumed are not settled. They wait for the next run of its id.
        """
        known = metadata.get("finalizers") or []
        finalizers = [each for each in known if each != FINALIZER]
        if len(finalizers) == len(known):
            return
        seen = {name: metadata[name] for name in ("uid", "resourceVersion")}
        patch = {"metadata": {**seen, "finalizers": finalizers}}
        await self._api.merge(RUNS.path(key.namespace, key.name), patch)

    async def delete(self, key: Key, run: WorkflowRun) -> None:
        """Delete a run as a person would; it goes when its events are settled."""
        seen = {"uid": run.metadata.uid, "resourceVersion": run.metadata.resource_version}
        answer = await self._api.delete(RUNS.path(key.namespace, key.name), preconditions=seen)
        if answer["kind"] == run.kind:
            self._runs.on_answer(answer)
        else:
            self._runs.on_missing(key, run.metadata.uid)

    async def _write(self, key: Key, run: WorkflowRun, finalizers: tuple[str, ...]) -> None:
        metadata = {
            "uid": run.metadata.uid,
            "resourceVersion": run.metadata.resource_version,
            "finalizers": list(finalizers),
        }
        item = await self._api.merge(RUNS.path(key.namespace, key.name), {"metadata": metadata})
        if run.deleting and not finalizers:
            self._runs.on_missing(key, run.metadata.uid)
        else:
            self._runs.on_answer(item)
