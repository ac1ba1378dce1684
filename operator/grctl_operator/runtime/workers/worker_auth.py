"""WorkerAuth: whose a worker is, and whether it may execute what it offers.

1. Authentication: a worker brings the token of a ServiceAccount, made for our audience. The API
   server reviews it (TokenReview).
2. Authorization: the worker serves runs of its account's namespace, and the workflow types for
   which the account has the verb `execute` on workflowruns (SubjectAccessReview, with the type as
   the resource's name).
3. Answers of the API server are kept for a while: refusals shortly, a token until it expires at the
   latest. A connection that lasts is reviewed again: see `WorkerConnections`.
4. A refusal says what is missing, and the command that grants it.
"""

import asyncio
import base64
import binascii
import hashlib
import logging
import shlex
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import orjson

from grctl.kube import ACCESS_REVIEWS, TOKEN_REVIEWS, Api, ApiError, UnreachableError
from grctl.models import GROUP
from grctl.models.wire import Hello
from grctl_operator.runtime.workers.leader_gate import NotHereError
from grctl_operator.runtime.workers.worker_session import ProtocolError

VERB = "execute"
GRANT_KEPT_S = 60.0
REFUSAL_KEPT_S = 5.0  # a worker that was refused and then granted should not wait for us
MAX_ANSWERS_KEPT = 10_000  # 10 MB
MAX_TYPES_NAMED = 10  # refused types in a message: the others are not asked for
REVIEW_TIMEOUT_S = 4.0  # less than a worker waits for its Welcome
MAX_REVIEWS_AT_ONCE = 8  # anybody who reaches the port causes reviews: they must not be a flood
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"

Json = dict[str, Any]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

logger = logging.getLogger(__name__)


class RefusedError(ProtocolError):
    """A worker is not known, or may not execute what it offers. The text goes back to it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose a worker is."""

    name: str
    namespace: str | None = None
    """The one namespace that the worker may serve. None: any."""
    expires: datetime | None = None
    """When its token expires, by the API server's clock."""
    user: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The user, as the API server describes it."""


class WorkerAuth(Protocol):
    """Reviews workers: authentication and authorization."""

    def check_header(self, authorization: str | None) -> None:
        """Return if such a header may be that of a worker. Asks nobody.

        Raises:
            RefusedError: it cannot.
        """

    async def identify(self, authorization: str | None) -> Identity:
        """Return whose such a header is.

        Raises:
            RefusedError: it is not that of a known worker.
            NotHereError: the API server did not answer.
        """

    async def authorize(self, identity: Identity, hello: Hello) -> None:
        """Return if an account may execute what a worker offers.

        Raises:
            RefusedError: it may not.
            NotHereError: the API server did not answer.
        """


class NoAuth:
    """Accepts everybody who reaches the port."""

    def check_header(self, _authorization: str | None) -> None:
        """Do nothing."""

    async def identify(self, _authorization: str | None) -> Identity:
        """Return the same name for all workers."""
        return Identity("anonymous")

    async def authorize(self, _identity: Identity, _hello: Hello) -> None:
        """Do nothing."""


class TokenAuth:
    """Accepts workers whose token the API server accepts.

    Args:
        api: Has no fence: reviews are POSTs and change nothing.
        audience: The audience that tokens must have been made for.
        now: The API server's clock.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        api: Api,
        audience: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._audience = audience
        self._now = now
        self._turns = asyncio.Semaphore(MAX_REVIEWS_AT_ONCE)
        self._identities: _Answers[bytes, Identity | str] = _Answers(monotonic)
        """By a hash of the token. A text says why the token is refused."""
        self._permissions: _Answers[tuple[str, str], bool] = _Answers(monotonic)
        """By user and workflow type."""

    def check_header(self, authorization: str | None) -> None:
        """Refuse a header without a token."""
        self._token(authorization)

    def _token(self, authorization: str | None) -> str:
        token = _bearer(authorization)
        if token is None:
            raise RefusedError(
                "No token came, and this operator takes workers by their ServiceAccount's token"
                f" only: set GRCTL_WORKER_TOKEN_FILE to one of the audience '{self._audience}'"
            )
        return token

    async def identify(self, authorization: str | None) -> Identity:
        """Return whose token it is."""
        token = self._token(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        answer = self._identities.get(digest)
        if answer is None:
            answer = await self._review_token(token)
            self._identities.put(digest, answer, self._lifetime(answer))
        if isinstance(answer, str):
            raise RefusedError(answer)
        return answer

    async def authorize(self, identity: Identity, hello: Hello) -> None:
        """Review each workflow type that a worker offers, until MAX_TYPES_NAMED are refused."""
        if identity.namespace != hello.namespace:
            raise RefusedError(
                f"A worker serves the namespace of its ServiceAccount, which is"
                f" {identity.namespace}, not {hello.namespace}: set GRCTL_NAMESPACE"
            )
        if not hello.catalogues:
            raise RefusedError("The worker offers no workflow type, so it may execute nothing")
        missing: list[str] = []
        for catalogue in hello.catalogues:  # in turn: the reviews of one worker hold up no others
            if not await self._may_execute(identity, catalogue.type):
                missing.append(catalogue.type)
            if len(missing) == MAX_TYPES_NAMED:
                break
        if missing:
            raise RefusedError(_how_to_grant(identity, missing))

    async def _review_token(self, token: str) -> Identity | str:
        spec = {"token": token, "audiences": [self._audience]}
        status = await self._post_review(TOKEN_REVIEWS.path(), {"spec": spec})
        if not status.get("authenticated") or self._audience not in status.get("audiences", ()):
            return (
                f"The API server does not accept the worker's token for the audience"
                f" '{self._audience}': {status.get('error') or 'it is of other audiences'}"
            )
        user = status["user"]
        namespace, _, name = user["username"].removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
        if not user["username"].startswith(SERVICE_ACCOUNT_PREFIX) or not name:
            return (
                f"The worker's token is that of {user['username']}, which is not a ServiceAccount"
            )
        return Identity(user["username"], namespace, _expiry(token), user)

    async def _may_execute(self, identity: Identity, workflow_type: str) -> bool:
        key = (identity.name, workflow_type)
        answer = self._permissions.get(key)
        if answer is None:
            answer = await self._review_access(identity, workflow_type)
            self._permissions.put(key, answer, GRANT_KEPT_S if answer else REFUSAL_KEPT_S)
        return answer

    async def _review_access(self, identity: Identity, workflow_type: str) -> bool:
        known = identity.user
        spec = {
            "user": identity.name,
            **{name: known[name] for name in ("uid", "groups", "extra") if known.get(name)},
            "resourceAttributes": {
                "verb": VERB,
                "group": GROUP,
                "resource": "workflowruns",
                "name": workflow_type,
                "namespace": identity.namespace,
            },
        }
        status = await self._post_review(ACCESS_REVIEWS.path(), {"spec": spec})
        return bool(status.get("allowed"))

    async def _post_review(self, path: str, body: Json) -> Json:
        try:
            async with asyncio.timeout(REVIEW_TIMEOUT_S), self._turns:
                answer = await self._api.create(path, body)
        except (ApiError, UnreachableError, TimeoutError) as error:
            logger.warning("worker not reviewed", extra={"request": path, "error": str(error)})
            raise NotHereError(
                "The operator could not ask the API server who the worker is and what it may;"
                " try again"
            ) from error
        status: Json = answer["status"]
        return status

    def _lifetime(self, answer: Identity | str) -> float:
        if isinstance(answer, str):
            return REFUSAL_KEPT_S
        if answer.expires is None:
            return GRANT_KEPT_S
        return min(GRANT_KEPT_S, (answer.expires - self._now()).total_seconds())


class _Answers(Generic[K, V]):
    """Answers that are kept for a while. The oldest is dropped if there are too many."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K) -> V | None:
        value, until = self._entries.get(key, (None, 0.0))
        return value if self._monotonic() < until else None

    def put(self, key: K, value: V, seconds: float) -> None:
        self._entries[key] = (value, self._monotonic() + seconds)
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ANSWERS_KEPT:
            self._entries.popitem(last=False)


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _expiry(token: str) -> datetime | None:
    """Return when a token expires, which the API server has verified. None: it does not say."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


def _how_to_grant(identity: Identity, types: Sequence[str]) -> str:
    namespace, _, account = identity.name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    names = " ".join(f"--resource-name={shlex.quote(each)}" for each in types)
    return (
        f"ServiceAccount {namespace}/{account} may not execute {', '.join(types)}. Grant it:"
        f" kubectl create role {account}-execute -n {namespace} --verb={VERB}"
        f" --resource=workflowruns.{GROUP} {names} &&"
        f" kubectl create rolebinding {account}-execute -n {namespace} --role={account}-execute"
        f" --serviceaccount={namespace}:{account}"
    )
