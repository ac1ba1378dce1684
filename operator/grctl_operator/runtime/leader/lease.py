"""The Lease, by which only one of several operators writes: how it is read and written.

1. Only durations are compared, each by one machine's own clock. Stamps in the Lease are for people.
2. The holder stops to write RENEW_DEADLINE_S after it *sent* its last renewal. Others may take the
   Lease LEASE_DURATION_S after they *saw* that renewal, which is later. So no two operators write
   at the same moment.
3. Each write names the version that it follows from. If two operators take the Lease, one gets it.
4. Each taking begins a new term (`leaseTransitions`), which tells two processes of one identity
   apart.
5. A released Lease has no holder and may be taken at once. So may a Lease that names ourselves: no
   two processes of one identity live at the same time (see `candidate`).
6. A holder writes how many workers it has, so that the next one knows when all are back. Taking the
   Lease leaves that number as it is: only the first renewal has a better one.

Pure: no I/O, no clock.
"""

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LEASE_DURATION_S = 10.0  # how long the others wait for a renewal
RENEW_DEADLINE_S = 7.0  # how long the holder writes; writes under way have the rest to end
RENEW_EVERY_S = 3.0  # one renewal may fail, and a second be late

LEASE_API_VERSION = "coordination.k8s.io/v1"
URL_ANNOTATION = "grctl.dev/dispatcher-url"
NAMESPACES_ANNOTATION = "grctl.dev/namespaces"
WORKERS_ANNOTATION = "grctl.dev/workers"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Durations of a Lease, in seconds."""

    duration: float = LEASE_DURATION_S
    deadline: float = RENEW_DEADLINE_S
    every: float = RENEW_EVERY_S


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operator that wants the Lease, as the others see it."""

    identity: str
    url: str
    """Where its workers connect."""
    serves: str
    """The namespaces that it serves, or `all`."""


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
        """The holder's identity. None: there is no holder."""
        return self._spec.get("holderIdentity") or None

    @property
    def term(self) -> int:
        """The number of times that the Lease was taken before."""
        return self._spec.get("leaseTransitions") or 0

    @property
    def url(self) -> str | None:
        """Where the holder's workers connect."""
        return self._annotations.get(URL_ANNOTATION) if self.holder else None

    @property
    def serves(self) -> str | None:
        """The namespaces that the holder serves."""
        return self._annotations.get(NAMESPACES_ANNOTATION) if self.holder else None

    @property
    def workers(self) -> int | None:
        """How many workers the last holder had. None: it did not say."""
        text = self._annotations.get(WORKERS_ANNOTATION, "")
        return int(text) if text.isdecimal() else None

    def next_sighting(self, item: Json | None, now: float) -> "Sighting":
        """Return what is known after another look at the Lease."""
        later = Sighting(item, now)
        return self if item and later.version == self.version else later

    def seconds_until_free(self, identity: str, now: float) -> float:
        """Return the seconds until an identity may take the Lease. 0: now."""
        if self.holder in {None, identity}:
            return 0.0
        duration = self._spec.get("leaseDurationSeconds") or LEASE_DURATION_S
        return max(0.0, self.since + duration - now)

    @property
    def _spec(self) -> Json:
        return (self.item or {}).get("spec") or {}

    @property
    def _annotations(self) -> Json:
        return (self.item or {"metadata": {}})["metadata"].get("annotations") or {}


def taken_lease(seen: Sighting, candidate: Candidate, at: datetime, timing: LeaseTiming) -> Json:
    """Return the Lease with a candidate as its holder, in a new term."""
    body = deepcopy(seen.item) if seen.item else {"metadata": {}}
    annotations = body["metadata"].setdefault("annotations", {})
    annotations |= {URL_ANNOTATION: candidate.url, NAMESPACES_ANNOTATION: candidate.serves}
    body |= {"apiVersion": LEASE_API_VERSION, "kind": "Lease"}
    body["spec"] = {
        "holderIdentity": candidate.identity,
        "leaseDurationSeconds": int(timing.duration),
        "acquireTime": _stamp(at),
        "renewTime": _stamp(at),
        "leaseTransitions": seen.term + 1 if seen.item else 0,
    }
    return body


def renewed_lease(item: Json, at: datetime, workers: int) -> Json:
    """Return the Lease as its holder renews it."""
    metadata = item["metadata"]
    annotations = {**metadata.get("annotations", {}), WORKERS_ANNOTATION: str(workers)}
    return {
        **item,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**item["spec"], "renewTime": _stamp(at)},
    }


def released_lease(item: Json, at: datetime, workers: int) -> Json:
    """Return the Lease without a holder."""
    last = renewed_lease(item, at, workers)
    del last["spec"]["holderIdentity"]
    return last


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
