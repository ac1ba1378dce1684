"""RunCache: the freshest known version of each WorkflowRun, from the watch and from answers.

1. Newer wins: of one uid the higher resourceVersion, of two uids too. Our own writes' echoes are
   told by that number alone, before anything is parsed.
2. A uid that is gone stays gone, whatever late answer still shows it.
3. A list tells of no deletion: what it lacks is gone, unless it is newer than the list.
4. An object is parsed when it is first asked for: most changes are echoes, most runs idle.

Pure: objects in, runs out. Revisions are compared as numbers, within this one resource type.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grctl.models.phases import RunPhase
from grctl.models.run import WorkflowRun
from grctl_operator.engine.observation import Key, KnownRun

GRAVES = 10_000  # uids: more than are deleted while one answer is under way

Json = dict[str, Any]


@dataclass(slots=True)
class _Known:
    """One version of a run. Invariant: one of `item` and `run` is there."""

    uid: str
    version: int
    phase: str
    item: Json | None
    run: WorkflowRun | None = None


def key_of(item: Json) -> Key:
    """Say which workflow id an object has."""
    return Key(item["metadata"].get("namespace", ""), item["metadata"]["name"])


class RunCache:
    """All runs that are known, by key."""

    def __init__(self) -> None:
        self._runs: dict[Key, _Known] = {}
        self._phases: Counter[str] = Counter()
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Count the runs."""
        return len(self._runs)

    def count(self, phase: RunPhase) -> int:
        """Count the runs of a phase."""
        return self._phases[phase]

    def keys(self) -> tuple[Key, ...]:
        """Give the key of every run."""
        return tuple(self._runs)

    def get(self, key: Key) -> WorkflowRun | None:
        """Give the freshest known version of a run.

        Raises:
            pydantic.ValidationError: the object is none that this version can read.
        """
        known = self._runs.get(key)
        if known is None:
            return None
        if known.run is None:
            known.run = WorkflowRun.model_validate(known.item)
            known.item = None
        return known.run

    def known(self, namespace: str | None = None) -> dict[Key, KnownRun]:
        """Give the version of every run, or of those of a namespace, as it is known now."""
        return {key: _as_known(known) for key, known in self._within(namespace)}

    def known_as(self, key: Key) -> KnownRun | None:
        """Give the version of one run as it is known now."""
        known = self._runs.get(key)
        return _as_known(known) if known else None

    def as_answered(self, item: Json) -> WorkflowRun:
        """Give a run in the version of an answer, also where a newer one is known by now."""
        known = self._runs.get(key_of(item))
        if known and str(known.version) == item["metadata"]["resourceVersion"]:
            run = self.get(key_of(item))
            if run is not None:
                return run
        return WorkflowRun.model_validate(item)

    def uid(self, key: Key) -> str | None:
        """Give a run's uid, even of one that cannot be read."""
        known = self._runs.get(key)
        return known.uid if known else None

    def watched(self, change: str, item: Json) -> Key | None:
        """Take one change of the watch. Give the key to reconcile, None where nothing is new."""
        if change == "DELETED":
            key = key_of(item)
            return key if self.missed(key, item["metadata"]["uid"]) else None
        return self.answered(item)

    def answered(self, item: Json) -> Key | None:
        """Take an object. Give its key if it is newer than what was known."""
        key, metadata = key_of(item), item["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        known = self._runs.get(key)
        if uid in self._gone or (known and known.version >= version):
            return None
        if known:
            self._phases[known.phase] -= 1
            if known.uid != uid:
                self._bury(known.uid)
        phase = _phase_of(item)
        self._runs[key] = _Known(uid, version, phase, item)
        self._phases[phase] += 1
        return key

    def missed(self, key: Key, uid: str) -> bool:
        """Note that the run of that uid is gone. Give whether it was known."""
        self._bury(uid)
        known = self._runs.get(key)
        if known is None or known.uid != uid:
            return False
        self._phases[known.phase] -= 1
        del self._runs[key]
        return True

    def relisted(
        self, items: list[Json], revision: int, namespace: str | None = None
    ) -> tuple[Key, ...]:
        """Take a list of all runs, or of those of a namespace. Give the keys to reconcile."""
        listed = {item["metadata"]["uid"] for item in items}
        gone = [
            (key, known.uid)
            for key, known in self._within(namespace)
            if known.uid not in listed and known.version <= revision
        ]
        changed = [key for key, uid in gone if self.missed(key, uid)]
        changed += [key for item in items if (key := self.answered(item))]
        return tuple(dict.fromkeys(changed))

    def _within(self, namespace: str | None) -> Iterator[tuple[Key, _Known]]:
        for key, known in self._runs.items():
            if namespace in {None, key.namespace}:
                yield key, known

    def _bury(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > GRAVES:
            self._gone.popitem(last=False)


def _phase_of(item: Json) -> str:
    phase: str | None = (item.get("status") or {}).get("phase")
    return phase or RunPhase.PENDING


def _as_known(known: _Known) -> KnownRun:
    if known.run is not None:
        return KnownRun(known.uid, str(known.version), known.run.status.commits)
    status = (known.item or {}).get("status") or {}
    return KnownRun(known.uid, str(known.version), status.get("commits") or 0)
