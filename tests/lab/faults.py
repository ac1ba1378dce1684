"""What can go wrong with a request to an API server: scripted, or drawn at random.

1. A `Fault` is what goes wrong with one request.
2. A `FaultRule` is scripted: a fault for the requests that match, and for so many of them.
3. `FaultOdds` are for drawing: how likely each fault is, per request or per line of a watch.
4. A `Refusal` is worded as an API server words it.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, as far as a fault may depend on it."""

    method: str
    path: str
    is_watch: bool
    names_revision: bool
    """Whether it asks for a state in the past: a watch from there, or the next page of a list."""

    def is_watch_of(self, plural: str) -> bool:
        """Return whether it watches this resource, named in the plural."""
        return self.is_watch and self.path.endswith(f"/{plural}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that an API server answers."""

    status: int
    reason: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> Json:
        """The Status object of the answer."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "reason": self.reason,
            "message": self.message,
            "code": self.status,
        }


CONFLICT = Refusal(409, "Conflict", "the object has been modified; please apply your changes anew")
EXPIRED = Refusal(410, "Expired", "too old resource version: 1 (2)")
TOO_MANY = Refusal(
    429, "TooManyRequests", "too many requests, please try again", {"Retry-After": "1"}
)
INTERNAL = Refusal(500, "InternalError", "Internal error occurred: etcdserver: request timed out")
UNAVAILABLE = Refusal(503, "ServiceUnavailable", "apiserver is shutting down")
TIMED_OUT = Refusal(504, "Timeout", "Timeout: request did not complete within the allotted time")
FOR_ANY_REQUEST = (TOO_MANY, INTERNAL, UNAVAILABLE, TIMED_OUT)
FOR_A_REPLACE = (*FOR_ANY_REQUEST, CONFLICT, CONFLICT)
"""Only a write over a version can meet a conflict."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    kind: str
    """The name under which it is counted."""
    is_passed_on: bool = True
    """Whether the API server gets the request."""
    refusal: Refusal | None = None
    """The answer in place of the API server's."""
    delay_s: float = 0.0
    """Each line of a watch, and any other answer, comes so much later."""
    cut_after: int | None = None
    """The connection ends after so many bytes of the answer's body; 0: without any answer."""


NOTHING = Fault("")
CUT = Fault("cut", is_passed_on=False, cut_after=0)
"""The connection ends before the request reached the API server."""
LOST = Fault("lost", cut_after=0)
"""The request was made, and the connection ends in place of its answer."""
BELIED = Fault("belied", refusal=TIMED_OUT)
"""The request was made, and is answered with an error all the same."""


def refusal_fault(refusal: Refusal) -> Fault:
    """Return the fault that a request is answered with an error and never made."""
    return Fault("refused", is_passed_on=False, refusal=refusal)


def delay_fault(seconds: float) -> Fault:
    """Return the fault that an answer comes so much later, line by line."""
    return Fault("delayed", delay_s=seconds)


@dataclass
class FaultRule:
    """A fault that is scripted for certain requests."""

    matches: Callable[[ApiRequest], bool]
    fault: Fault
    times: float = math.inf
    """How many requests it is for."""
    met: int = 0
    """How many requests it has met."""

    def takes(self, request: ApiRequest) -> bool:
        """Return whether it is for this request, and count the request if it is."""
        if self.met >= self.times or not self.matches(request):
            return False
        self.met += 1
        return True


def lagging_watch(plural: str, seconds: float) -> FaultRule:
    """Return the rule that watches of one resource show everything so much later."""
    return FaultRule(lambda request: request.is_watch_of(plural), delay_fault(seconds))


@dataclass(frozen=True, slots=True)
class FaultOdds:
    """How likely each fault is: a probability per request, for the last two per line of a watch."""

    refused: float = 0.0
    cut: float = 0.0
    lost: float = 0.0
    belied: float = 0.0
    torn: float = 0.0
    """The connection ends in the middle of the line."""
    expired: float = 0.0
    """410 in place of the line; also per request that names a revision, in place of its answer."""

    def draw(self, request: ApiRequest, chance: random.Random) -> Fault:
        """Return what goes wrong with a request."""
        refusals = FOR_A_REPLACE if request.method == "PUT" else FOR_ANY_REQUEST
        faults = (refusal_fault(chance.choice(refusals)), CUT, LOST, BELIED, NOTHING)
        odds = (self.refused, self.cut, self.lost, self.belied)
        drawn = chance.choices(faults, (*odds, 1 - sum(odds)))[0]
        if drawn is NOTHING and request.names_revision and chance.random() < self.expired:
            return Fault("expired", is_passed_on=False, refusal=EXPIRED)
        return drawn


NO_FAULTS = FaultOdds()
FEW_FAULTS = FaultOdds(
    refused=0.01, cut=0.005, lost=0.005, belied=0.005, torn=0.001, expired=0.0005
)
MANY_FAULTS = FaultOdds(refused=0.15, cut=0.08, lost=0.08, belied=0.04, torn=0.03, expired=0.01)
