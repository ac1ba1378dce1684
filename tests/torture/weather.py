"""Weather: how often what goes wrong between an operator and its API server.

Probabilities are per request, those of watches per line. `CALM` is a good day; what a refusal says
is what an API server says.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

Json = dict[str, Any]


class Fate(Enum):
    """What becomes of a request."""

    PASSED_ON = auto()
    REFUSED = auto()
    """Answered with an error, and never passed on."""
    CUT = auto()
    """The connection ends before the request was passed on."""
    LOST = auto()
    """It was passed on, and the connection ends instead of its answer."""
    BELIED = auto()
    """It was passed on, and is answered with an error all the same."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each fault is."""

    refused: float = 0.0
    cut: float = 0.0
    lost: float = 0.0
    belied: float = 0.0
    torn: float = 0.0
    """Per line of a watch: the connection ends in the middle of it."""
    expired: float = 0.0
    """Per line of a watch: 410 instead of it; per watch and continued list: 410 at once."""

    def fate(self, chance: random.Random) -> Fate:
        """Draw what becomes of a request."""
        odds = (self.refused, self.cut, self.lost, self.belied)
        fates = (Fate.REFUSED, Fate.CUT, Fate.LOST, Fate.BELIED, Fate.PASSED_ON)
        return chance.choices(fates, (*odds, 1 - sum(odds)))[0]


CALM = Weather()
FAIR = Weather(refused=0.01, cut=0.005, lost=0.005, belied=0.005, torn=0.001, expired=0.0005)
STORM = Weather(refused=0.15, cut=0.08, lost=0.08, belied=0.04, torn=0.03, expired=0.01)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of an API server."""

    status: int
    reason: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> Json:
        """It as the API server says it."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "reason": self.reason,
            "message": self.message,
            "code": self.status,
        }


EXPIRED = Refusal(410, "Expired", "too old resource version: 1 (2)")
CONFLICT = Refusal(409, "Conflict", "the object has been modified; please apply your changes anew")
TIMED_OUT = Refusal(504, "Timeout", "Timeout: request did not complete within the allotted time")
REFUSALS = (
    Refusal(429, "TooManyRequests", "too many requests, please try again", {"Retry-After": "1"}),
    Refusal(500, "InternalError", "Internal error occurred: etcdserver: request timed out"),
    Refusal(503, "ServiceUnavailable", "apiserver is shutting down"),
    TIMED_OUT,
)
