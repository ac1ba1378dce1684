"""The Lease, by which one of several operators writes: what it says, and what is written into it.

1. Only durations are compared, each by one machine's own clock: stamps in the Lease are for people.
2. The holder counts from when it *sent* its last renewal, the others from when they *saw* it, which
   is later; and it stops at DEADLINE, they begin at DURATION. So no two write at the same moment.
3. Each write names the version that it follows from: of two that take the Lease, one gets it.
4. Each taking begins a new term (`leaseTransitions`): two processes of one identity are told apart.
5. A released Lease has no holder, and may be taken at once; so may one that names ourselves, as no
   two processes of one identity live at the same time (see `candidate`).
6. A holder says how many workers it has, so that the next one knows when all are back. Who takes
   the Lease leaves that as it is: until it has renewed, it has nothing better to say.

Pure: no I/O, no clock.
"""

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

DURATION = 10.0  # s: how long a holder that says nothing is waited for
DEADLINE = 7.0  # s: how long it writes after a renewal; writes under way have the rest to end
RENEW_EVERY = 3.0  # s: one renewal may fail, and a second be late

LEASE_API_VERSION = "coordination.k8s.io/v1"
URL = "grctl.dev/dispatcher-url"
SERVES = "grctl.dev/namespaces"
WORKERS = "grctl.dev/workers"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Durations of a Lease, in seconds."""

    duration: float = DURATION
    deadline: float = DEADLINE
    every: float = RENEW_EVERY


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operator that wants the Lease, and what the others should know of it."""

    identity: str
    url: str
    """Where its workers connect."""
    serves: str
    """Whose runs: a list of namespaces, or `all`."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A version of the Lease as it was seen. `item` None: there was none."""

    item: Json | None
    since: float
    """When this version was first seen, by our own clock."""

    @property
    def version(self) -> str | None:
        """The object's resourceVersion."""
        return self.item["metadata"]["resourceVersion"] if self.item else None

    @property
    def holder(self) -> str | None:
        """The holder's identity; None: it is free."""
        return self._spec.get("holderIdentity") or None

    @property
    def term(self) -> int:
        """Which taking of the Lease this is."""
        return self._spec.get("leaseTransitions") or 0

    @property
    def url(self) -> str | None:
        """Where the holder's workers connect."""
        return self._annotations.get(URL) if self.holder else None

    @property
    def serves(self) -> str | None:
        """Whose runs the holder works on."""
        return self._annotations.get(SERVES) if self.holder else None

    @property
    def workers(self) -> int | None:
        """How many workers the last holder had; None: it did not say."""
        said = self._annotations.get(WORKERS, "")
        return int(said) if said.isdecimal() else None

    def followed_by(self, item: Json | None, now: float) -> "Sighting":
        """Give what is known after another look."""
        later = Sighting(item, now)
        return self if item and later.version == self.version else later

    def free_in(self, identity: str, now: float) -> float:
        """Give the seconds until this identity may take the Lease; 0: now."""
        if self.holder in {None, identity}:
            return 0.0
        duration = self._spec.get("leaseDurationSeconds") or DURATION
        return max(0.0, self.since + duration - now)

    @property
    def _spec(self) -> Json:
        return (self.item or {}).get("spec") or {}

    @property
    def _annotations(self) -> Json:
        return (self.item or {"metadata": {}})["metadata"].get("annotations") or {}


def taken(seen: Sighting, candidate: Candidate, at: datetime, timing: LeaseTiming) -> Json:
    """Give the Lease with this candidate as its holder, in a new term."""
    body = deepcopy(seen.item) if seen.item else {"metadata": {}}
    annotations = body["metadata"].setdefault("annotations", {})
    annotations |= {URL: candidate.url, SERVES: candidate.serves}
    body |= {"apiVersion": LEASE_API_VERSION, "kind": "Lease"}
    body["spec"] = {
        "holderIdentity": candidate.identity,
        "leaseDurationSeconds": int(timing.duration),
        "acquireTime": _stamp(at),
        "renewTime": _stamp(at),
        "leaseTransitions": seen.term + 1 if seen.item else 0,
    }
    return body


def renewed(item: Json, at: datetime, workers: int) -> Json:
    """Give the Lease as its holder renews it."""
    metadata = item["metadata"]
    annotations = {**metadata.get("annotations", {}), WORKERS: str(workers)}
    return {
        **item,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**item["spec"], "renewTime": _stamp(at)},
    }


def released(item: Json, at: datetime, workers: int) -> Json:
    """Give the Lease without a holder."""
    last = renewed(item, at, workers)
    del last["spec"]["holderIdentity"]
    return last


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
