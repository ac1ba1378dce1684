"""The Kubernetes API as this project uses it: one small client for JSON objects.

The official `kubernetes` package finds the API and the credentials (kubeconfig, exec plugins,
OIDC, in-cluster); the objects go through plain aiohttp, which costs less than half of its models.
"""

from grctl.kube.api import API_REQUEST_TIMEOUT_S, Api, Fence
from grctl.kube.connection import Connection, ConnectionConfigError
from grctl.kube.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ExpiredError,
    FencedError,
    InvalidError,
    LargeAnswerError,
    NotFoundError,
    UnreachableError,
    UnreadableAnswerError,
    UntrustedServerError,
)
from grctl.kube.requests import Request
from grctl.kube.resources import (
    ACCESS_REVIEWS,
    CORE_EVENTS,
    CRDS,
    EVENTS,
    LEASES,
    RUNS,
    TOKEN_REVIEWS,
    Resource,
)

__all__ = [
    "ACCESS_REVIEWS",
    "API_REQUEST_TIMEOUT_S",
    "CORE_EVENTS",
    "CRDS",
    "EVENTS",
    "LEASES",
    "RUNS",
    "TOKEN_REVIEWS",
    "AlreadyExistsError",
    "Api",
    "ApiError",
    "ConflictError",
    "Connection",
    "ConnectionConfigError",
    "ExpiredError",
    "Fence",
    "FencedError",
    "InvalidError",
    "LargeAnswerError",
    "NotFoundError",
    "Request",
    "Resource",
    "UnreachableError",
    "UnreadableAnswerError",
    "UntrustedServerError",
]
