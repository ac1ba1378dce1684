"""RunWriter: the one write of a run's status.

1. I5 (guarded writes): a status is written over the version that was decided upon, and no other.
2. The answer enters the caches at once: the next decision is made upon it.
3. An API server whose definition of WorkflowRun is older than this operator drops fields that it
   does not know. If decisions depend on one (a journal: its tasks would run again), the reconcile
   fails and is tried later, so that a person sees why.
4. A status that the API server refuses as too large is not sent again. The engine says what to
   write instead; if that is refused too, the refusal is raised.
"""

from collections.abc import Sequence
from typing import Any

from grctl.kube import RUNS, Api, ApiError
from grctl.models import API_VERSION, RunStatus, WorkflowRun
from grctl.models.run import FREE_FIELDS
from grctl_operator.engine import Decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.decider import Decider
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.write.run_rereader import RunRereader
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.reading import read_run
from grctl_operator.views.runs import RunCache

Json = dict[str, Any]

PARTS_WITH_FIELDS = ("step", "wait")
"""Parts of a status of which each field decides what happens next."""


class OutdatedDefinitionError(Exception):
    """The API server dropped fields of a status on which decisions depend."""

    def __init__(self, dropped: Sequence[str]) -> None:
        super().__init__(dropped)  # a copy of the error is made from this argument
        self._dropped = tuple(dropped)

    def __str__(self) -> str:
        """Return which fields they are, and how to bring the definition up to date."""
        names = ", ".join(f"status.{name}" for name in self._dropped)
        return (
            f"the API server drops {names}: its WorkflowRun definition is older than this operator."
            " Apply the definitions of this release: grctl crds | kubectl apply --server-side -f -"
        )


class RunWriter:
    """Writes decided statuses."""

    def __init__(
        self,
        api: Api,
        runs: RunCache,
        events: EventCaches,
        *,
        rereader: RunRereader,
        decider: Decider,
        metrics: Metrics,
    ) -> None:
        self._api = api
        self._runs = runs
        self._events = events
        self._rereader = rereader
        self._decider = decider
        self._metrics = metrics

    async def write(
        self, key: Key, run: WorkflowRun, status: RunStatus, decided: Decision
    ) -> tuple[Decision, WorkflowRun]:
        """Write a decided status. Return the decision that was written, and the run then.

        Raises:
            ApiError: the write was refused.
            UnreachableError: the write may have been stored, or not.
            OutdatedDefinitionError: it was stored without fields on which decisions depend.
        """
        try:
            return decided, await self._write(key, run, status, decided)
        except ApiError as error:
            if not error.too_large:
                raise
            return await self._write_less(key, run, error)

    async def _write_less(
        self, key: Key, run: WorkflowRun, refusal: ApiError
    ) -> tuple[Decision, WorkflowRun]:
        """Ask for a smaller status instead of one that is too large, and write that.

        Raises:
            ApiError: there is no smaller status, or it is too large too.
        """
        self._rereader.on_follow_up(key)
        decided = self._decider.decide_refused(key, run)
        if decided.status is None:
            raise refusal
        return decided, await self._write(key, run, decided.status, decided)

    async def _write(
        self, key: Key, run: WorkflowRun, status: RunStatus, decided: Decision
    ) -> WorkflowRun:
        body, commits = _body(run, status), run.status.commits
        if status.commits != commits:
            self._rereader.on_send(key, run, status, decided)
        answer = await self._api.replace(RUNS.path(key.namespace, key.name, "status"), body)
        written = _as_written(run, status, body, answer)
        self._runs.on_answer(answer, written)
        self._metrics.tasks.on_write(run.status, written.status)
        if status.commits == commits:
            self._metrics.views.inc()
        else:
            self._events.of(key).on_commit(key, run.metadata.uid, commits, status.commits)
            self._rereader.on_commit(key, run, status)
        if written.status is not status and (dropped := _dropped(body["status"], answer)):
            raise OutdatedDefinitionError(dropped)
        return written


def _body(run: WorkflowRun, status: RunStatus) -> Json:
    """Return the body of a PUT of /status: uid and version as preconditions, without the spec."""
    metadata = run.metadata
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "status": status.to_json(),
    }


def _is_as_sent(sent: Json, kept: Any) -> bool:
    """Return whether a status was kept whole.

    The free fields (the store, the journal) are kept by an API server as a whole or not at all.
    """
    if not isinstance(kept, dict) or kept.keys() != sent.keys():
        return False
    return all(kept[name] == sent[name] for name in sent.keys() - FREE_FIELDS)


def _dropped(sent: Json, answer: Json) -> list[str]:
    """Return the fields of a status that was sent which the API server did not keep."""
    kept = answer.get("status") or {}
    dropped = ["journal"] if "journal" in sent and "journal" not in kept else []
    for part in PARTS_WITH_FIELDS:
        missing = (sent.get(part) or {}).keys() - (kept.get(part) or {}).keys()
        dropped += [f"{part}.{name}" for name in sorted(missing)]
    return dropped


def _as_written(run: WorkflowRun, status: RunStatus, body: Json, answer: Json) -> WorkflowRun:
    """Return the run as the API server has it now, parsed only if it is not as it was sent.

    The write named the version that it was over, so all but the status is as it was. An API server
    whose definitions are older drops what these do not know.
    """
    if not _is_as_sent(body["status"], answer.get("status")):
        return read_run(answer)
    version = {"resource_version": answer["metadata"]["resourceVersion"]}
    metadata = run.metadata.model_copy(update=version)
    return run.model_copy(update={"metadata": metadata, "status": status, "unreadable": None})
