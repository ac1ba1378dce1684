"""RunCache: the newest known version of each WorkflowRun, from the watch and from answers.

1. The higher resourceVersion wins, also between two uids. The echoes of our own writes are
   recognized by that number alone, before anything is parsed.
2. A uid that is gone stays gone, even if a late answer still shows it.
3. A list shows no deletions: a run that it lacks is gone, unless that run is newer than the list.
4. An object is parsed when it is asked for, and only the objects that were asked for last are kept
   parsed: most changes are echoes, most runs idle. An idle run takes as many bytes as its JSON.
5. A run that cannot be read is known all the same, by uid and version. Only `get` raises then.

Pure: objects in, runs out. Revisions are compared as numbers, within this one resource type.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from grctl.json.raw_json import Uncarriable, dumps, to_raw_json
from grctl.models.phases import FINISHED, RunPhase
from grctl.models.run import WorkflowRun
from grctl_operator.engine.observation import Key
from grctl_operator.views.reading import UnreadableError, check_revision, read_run

MAX_GONE_UIDS = 10_000  # more than are deleted while one answer is under way
MAX_PARSED_RUNS = 1_000  # more than are busy at a time; each takes about 15 KB

FINAL = frozenset(phase.value for phase in FINISHED)
BUSY = frozenset({RunPhase.PENDING.value, RunPhase.RUNNING.value})

Json = dict[str, Any]


class KnownRun(NamedTuple):
    """Which version of a run is known, as it is noted when the run's events are listed."""

    uid: str
    version: str
    commits: int


@dataclass(slots=True)
class KeptRun:
    """One version of a run. Invariant: it is in `json`, or parsed, or both, or unreadable."""

    uid: str
    version: int
    phase: str
    workflow_type: str
    commits: int
    first_revision: int = 0
    """The revision in which this uid was first seen."""
    json: bytes | None = None
    bad_input: str | None = None
    """Why its input is left out of `json`; None: it is there, if it has one."""
    unreadable: str | None = None
    """Why it cannot be read, once that is known. `json` then has at least its metadata."""
    stalled: bool = False
    """Whether its handler is held until a person acts."""


ListedRuns = dict[Key, KeptRun]
"""What is kept of the runs of a list."""


def key_of(item: Json) -> Key:
    """Return the workflow id of an object.

    Raises:
        UnreadableError: it has no name.
    """
    metadata = _metadata(item)
    name, namespace = metadata.get("name"), metadata.get("namespace", "")
    if not isinstance(name, str) or not isinstance(namespace, str):
        raise UnreadableError("metadata.name or metadata.namespace is not a text")
    return Key(namespace, name)


def kept_run_of(item: Json) -> KeptRun:
    """Return what is kept of an object: 20,000 runs may be listed at once.

    Raises:
        UnreadableError: it has no uid or no version, so it cannot be known.
    """
    version = _version(item)
    _keep_json(version, item)
    return version


class RunCache:
    """All runs that are known, by key."""

    def __init__(self) -> None:
        self._runs: dict[Key, KeptRun] = {}
        self._parsed: OrderedDict[Key, WorkflowRun] = OrderedDict()
        """The runs asked for last, the latest at the end; each in the version of `_runs`."""
        self._phases: Counter[str] = Counter()
        self._stalled = 0
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Count the runs."""
        return len(self._runs)

    def count(self, phase: RunPhase) -> int:
        """Count the runs of a phase."""
        return self._phases[phase]

    def count_stalled(self) -> int:
        """Count the runs whose handler is held until a person acts."""
        return self._stalled

    def keys(self) -> tuple[Key, ...]:
        """Return the key of every run."""
        return tuple(self._runs)

    def get(self, key: Key) -> WorkflowRun | None:
        """Return the newest known version of a run.

        Raises:
            UnreadableError: this operator cannot read the object.
        """
        known = self._runs.get(key)
        if known is None:
            return None
        run = self._parsed.get(key)
        if run is None:
            run = _read(known)
            self._keep_parsed(key, run)
        self._parsed.move_to_end(key)
        return run

    def get_metadata(self, key: Key) -> Json:
        """Return the metadata of a run that cannot be read; empty if there is none of that key."""
        known = self._runs.get(key)
        metadata: Json = orjson.loads(known.json)["metadata"] if known and known.json else {}
        return metadata

    def get_versions(self, namespace: str | None = None) -> dict[Key, KnownRun]:
        """Return the known version of every run, or of those of a namespace."""
        return {key: _as_known(known) for key, known in self._within(namespace)}

    def find_unfinished(self, namespace: str, workflow_type: str) -> tuple[Key, ...]:
        """Return the unfinished runs of a type."""
        return tuple(
            key
            for key, known in self._within(namespace)
            if known.workflow_type == workflow_type and known.phase not in FINAL
        )

    def get_version(self, key: Key) -> KnownRun | None:
        """Return the known version of one run."""
        known = self._runs.get(key)
        return _as_known(known) if known else None

    def get_uid(self, key: Key) -> str | None:
        """Return a run's uid, even if the run cannot be read."""
        known = self._runs.get(key)
        return known.uid if known else None

    def get_first_revision(self, key: Key) -> int | None:
        """Return the revision in which a run was first seen; None if there is no run."""
        known = self._runs.get(key)
        return known.first_revision if known else None

    def is_busy(self, key: Key) -> bool:
        """Return whether a handler of a run is due or under way, by the known version."""
        known = self._runs.get(key)
        return known is not None and known.phase in BUSY

    def on_change(self, change: str, item: Json) -> Key | None:
        """Take one change of the watch. Return the run to reconcile, or None if it is not news."""
        if change == "DELETED":
            key, gone = key_of(item), _version(item)
            return key if self.on_missing(key, gone.uid) else None
        return self.on_answer(item)

    def on_answer(self, item: Json, run: WorkflowRun | None = None) -> Key | None:
        """Take an object, and the parsed run if the caller has it. Return its key if it is news.

        Raises:
            UnreadableError: it has no name, uid or version.
        """
        key, version = key_of(item), _version(item)
        if not self._is_news(key, version):
            return None
        self._take(key, version)
        if run:
            self._keep_parsed(key, run)
        else:
            _keep_json(version, item)
        return key

    def on_missing(self, key: Key, uid: str) -> bool:
        """Note that the run of a uid is gone. Return whether it was known."""
        self._note_gone(uid)
        known = self._runs.get(key)
        if known is None or known.uid != uid:
            return False
        self._put_aside(key, known)
        del self._runs[key]
        return True

    def on_list(
        self, listed: ListedRuns, revision: int, namespace: str | None = None
    ) -> tuple[Key, ...]:
        """Take a list of all runs, or of those of a namespace. Return the runs to reconcile."""
        uids = {version.uid for version in listed.values()}
        gone = [
            (key, known.uid)
            for key, known in self._within(namespace)
            if known.uid not in uids and known.version <= revision
        ]
        changed = [key for key, uid in gone if self.on_missing(key, uid)]
        news = [(key, version) for key, version in listed.items() if self._is_news(key, version)]
        for key, version in news:
            self._take(key, version)
        return tuple(dict.fromkeys((*changed, *(key for key, _ in news))))

    def _within(self, namespace: str | None) -> Iterator[tuple[Key, KeptRun]]:
        for key, known in self._runs.items():
            if namespace in {None, key.namespace}:
                yield key, known

    def _is_news(self, key: Key, version: KeptRun) -> bool:
        known = self._runs.get(key)
        older = known is not None and known.version >= version.version
        return version.uid not in self._gone and not older

    def _take(self, key: Key, version: KeptRun) -> None:
        known = self._runs.get(key)
        version.first_revision = version.version
        if known:
            self._put_aside(key, known)
            if known.uid == version.uid:
                version.first_revision = known.first_revision
            else:
                self._note_gone(known.uid)
        self._runs[key] = version
        self._phases[version.phase] += 1
        self._stalled += version.stalled

    def _keep_parsed(self, key: Key, run: WorkflowRun) -> None:
        self._parsed[key] = run
        if len(self._parsed) > MAX_PARSED_RUNS:
            other, idle = self._parsed.popitem(last=False)
            known = self._runs[other]
            _keep_json(known, idle.to_json())

    def _put_aside(self, key: Key, known: KeptRun) -> None:
        """Drop a version from the counts and the parsed runs, before it is replaced or removed."""
        self._phases[known.phase] -= 1
        self._stalled -= known.stalled
        self._parsed.pop(key, None)

    def _note_gone(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > MAX_GONE_UIDS:
            self._gone.popitem(last=False)


def _metadata(item: Any) -> Json:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _version(item: Json) -> KeptRun:
    metadata, status = _metadata(item), item.get("status")
    uid, version = metadata.get("uid"), check_revision(metadata.get("resourceVersion"))
    if not isinstance(uid, str):
        raise UnreadableError("metadata.uid is not a text")
    status = status if isinstance(status, dict) else {}
    phase, commits, step = status.get("phase"), status.get("commits"), status.get("step")
    return KeptRun(
        uid=uid,
        version=version,
        phase=phase if isinstance(phase, str) else RunPhase.PENDING,
        workflow_type=_type_of(item),
        commits=commits if isinstance(commits, int) else 0,
        stalled=isinstance(step, dict) and step.get("stall") is not None,
    )


def _read(known: KeptRun) -> WorkflowRun:
    """Parse a version. An error is remembered: it stays until the object is changed."""
    if known.unreadable is not None:
        raise UnreadableError(known.unreadable)
    try:
        return read_run(orjson.loads(known.json or b"{}"), known.bad_input)
    except UnreadableError as error:
        known.unreadable = str(error)
        raise


def _keep_json(version: KeptRun, item: Json) -> None:
    """Keep an object as JSON: the whole, or without a bad input, or else its identity alone."""
    if version.json is not None:
        return
    try:
        version.json = _compact(item)
    except TypeError:
        version.bad_input, item = _without_bad_input(item)
        _keep_rest(version, item)


def _keep_rest(version: KeptRun, item: Json) -> None:
    try:
        version.json = _compact(item)
    except TypeError as error:
        version.unreadable = f"it cannot be written as JSON ({error})"
        version.json = dumps({"metadata": _identity(item["metadata"])})


def _identity(metadata: Json) -> Json:
    """Return what it takes to report an object, and to remove its finalizer."""
    names = ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp")
    kept = {name: metadata[name] for name in names if isinstance(metadata.get(name), str)}
    finalizers = metadata.get("finalizers")
    texts = finalizers if isinstance(finalizers, list) else []
    return {**kept, "finalizers": [each for each in texts if isinstance(each, str)]}


def _without_bad_input(item: Json) -> tuple[str | None, Json]:
    """Return why an input cannot be carried, if it cannot, and the object without it."""
    spec = item.get("spec")
    workflow = spec.get("workflow") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(workflow, dict):
        return None, item
    given = to_raw_json(workflow.get("input"))
    if not isinstance(given, Uncarriable):
        return None, item
    left = {name: value for name, value in workflow.items() if name != "input"}
    return given.why, {**item, "spec": {**spec, "workflow": left}}


def _type_of(item: Json) -> str:
    """Return a run's type. All runs of a type share one text."""
    spec = item.get("spec")
    workflow = spec.get("workflow") if isinstance(spec, dict) else None
    workflow_type = workflow.get("type") if isinstance(workflow, dict) else None
    return sys.intern(workflow_type) if isinstance(workflow_type, str) else ""


def _compact(item: Json) -> bytes:
    """Return an object as JSON, without `managedFields`.

    It is a copy: the bytes that orjson returns hold on to two or three times as much memory.
    """
    metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
    return bytes(memoryview(dumps({**item, "metadata": metadata})))


def _as_known(known: KeptRun) -> KnownRun:
    return KnownRun(known.uid, str(known.version), known.commits)
