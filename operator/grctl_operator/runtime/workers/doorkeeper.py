"""Doorkeeper: who comes as a worker, and whether it may execute what it offers.

1. By token: that of a ServiceAccount, made for our audience, as the API server says (TokenReview).
   It serves the runs of its own namespace, of the workflow types for which that account has the
   verb `execute` on workflowruns (SubjectAccessReview; the type is the resource's name).
2. What the API server answered counts for a while, a refusal shortly, a token until it expires at
   the latest. A connection that lasts is looked at again: see `Dispatcher`.
3. A refusal says what is missing, and the command by which somebody grants it.
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
from grctl_operator.runtime.workers.admission import NotHereError
from grctl_operator.runtime.workers.worker_session import ProtocolError

VERB = "execute"
GRANTED = 60.0  # s: what was allowed counts for so long
REFUSED = 5.0  # s: who was refused and then granted it should not wait for us
REMEMBERED = 10_000  # answers: 10 MB
NAMED_AT_ONCE = 10  # types that are refused: the rest is not asked for
PATIENCE = 4.0  # s: less than a worker waits for its Welcome
AT_ONCE = 8  # questions: whoever reaches the port may ask, and must not flood the API server
ACCOUNT = "system:serviceaccount:"

Json = dict[str, Any]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

logger = logging.getLogger(__name__)


class RefusedError(ProtocolError):
    """A worker may not come in, or not execute what it offers. The text goes back to it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who comes."""

    name: str
    namespace: str | None = None
    """The one namespace that it may serve; None: any."""
    expires: datetime | None = None
    """When what proves it ends, by the API server's clock."""
    user: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """As the API server knows it."""


class Doorkeeper(Protocol):
    """Lets workers in."""

    def look(self, authorization: str | None) -> None:
        """Return if such a header may be one of a worker, without asking anybody.

        Raises:
            RefusedError: it cannot.
        """

    async def identify(self, authorization: str | None) -> Identity:
        """Say who sends such a header.

        Raises:
            RefusedError: nobody that may come in.
            NotHereError: nobody can tell at present.
        """

    async def permit(self, identity: Identity, hello: Hello) -> None:
        """Return if somebody may execute what a worker offers.

        Raises:
            RefusedError: it may not.
            NotHereError: nobody can tell at present.
        """


class OpenDoor:
    """Lets everybody in who reaches the port."""

    def look(self, _authorization: str | None) -> None:
        """Do nothing."""

    async def identify(self, _authorization: str | None) -> Identity:
        """Say that it is anybody."""
        return Identity("anonymous")

    async def permit(self, _identity: Identity, _hello: Hello) -> None:
        """Do nothing."""


class TokenDoor:
    """Lets in whom the API server knows by a token.

    Args:
        api: Where to ask. Has no fence: these questions are POSTs and change nothing.
        audience: What the tokens must have been made for.
        now: The API server's clock.
        monotonic: A clock for lengths of time, in seconds.
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
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._identities: _Answers[bytes, Identity | str] = _Answers(monotonic)
        """By a hash of the token; a text says why it is refused."""
        self._permissions: _Answers[tuple[str, str], bool] = _Answers(monotonic)
        """By user and workflow type."""

    def look(self, authorization: str | None) -> None:
        """Refuse whoever brings no token."""
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
            answer = await self._review(token)
            self._identities.put(digest, answer, self._lasts(answer))
        if isinstance(answer, str):
            raise RefusedError(answer)
        return answer

    async def permit(self, identity: Identity, hello: Hello) -> None:
        """Ask for each workflow type that a worker offers, until some are refused."""
        if identity.namespace != hello.namespace:
            raise RefusedError(
                f"A worker serves the namespace of its ServiceAccount, which is"
                f" {identity.namespace}, not {hello.namespace}: set GRCTL_NAMESPACE"
            )
        if not hello.catalogues:
            raise RefusedError("The worker offers no workflow type, so it may execute nothing")
        missing: list[str] = []
        for catalogue in hello.catalogues:  # in turn: one worker's questions hold up no others
            if not await self._may(identity, catalogue.type):
                missing.append(catalogue.type)
            if len(missing) == NAMED_AT_ONCE:
                break
        if missing:
            raise RefusedError(_grant(identity, missing))

    async def _review(self, token: str) -> Identity | str:
        spec = {"token": token, "audiences": [self._audience]}
        status = await self._ask(TOKEN_REVIEWS.path(), {"spec": spec})
        if not status.get("authenticated") or self._audience not in status.get("audiences", ()):
            return (
                f"The API server does not accept the worker's token for the audience"
                f" '{self._audience}': {status.get('error') or 'it is of other audiences'}"
            )
        user = status["user"]
        namespace, _, name = user["username"].removeprefix(ACCOUNT).partition(":")
        if not user["username"].startswith(ACCOUNT) or not name:
            return f"The worker's token is that of {user['username']}, which is no ServiceAccount"
        return Identity(user["username"], namespace, _expiry(token), user)

    async def _may(self, identity: Identity, workflow_type: str) -> bool:
        key = (identity.name, workflow_type)
        answer = self._permissions.get(key)
        if answer is None:
            answer = await self._allows(identity, workflow_type)
            self._permissions.put(key, answer, GRANTED if answer else REFUSED)
        return answer

    async def _allows(self, identity: Identity, workflow_type: str) -> bool:
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
        status = await self._ask(ACCESS_REVIEWS.path(), {"spec": spec})
        return bool(status.get("allowed"))

    async def _ask(self, path: str, body: Json) -> Json:
        try:
            async with asyncio.timeout(PATIENCE), self._turns:
                answer = await self._api.create(path, body)
        except (ApiError, UnreachableError, TimeoutError) as error:
            logger.warning("worker not reviewed", extra={"request": path, "error": str(error)})
            raise NotHereError(
                "The operator could not ask the API server who the worker is and what it may;"
                " try again"
            ) from error
        status: Json = answer["status"]
        return status

    def _lasts(self, answer: Identity | str) -> float:
        if isinstance(answer, str):
            return REFUSED
        if answer.expires is None:
            return GRANTED
        return min(GRANTED, (answer.expires - self._now()).total_seconds())


class _Answers(Generic[K, V]):
    """Answers that count for a while. The oldest goes when there are too many."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K) -> V | None:
        value, until = self._entries.get(key, (None, 0.0))
        return value if self._monotonic() < until else None

    def put(self, key: K, value: V, seconds: float) -> None:
        self._entries[key] = (value, self._monotonic() + seconds)
        self._entries.move_to_end(key)
        if len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _expiry(token: str) -> datetime | None:
    """Read when a token expires; the API server has verified it. None: it does not tell."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


def _grant(identity: Identity, types: Sequence[str]) -> str:
    namespace, _, account = identity.name.removeprefix(ACCOUNT).partition(":")
    names = " ".join(f"--resource-name={shlex.quote(each)}" for each in types)
    return (
        f"ServiceAccount {namespace}/{account} may not execute {', '.join(types)}. Grant it:"
        f" kubectl create role {account}-execute -n {namespace} --verb={VERB}"
        f" --resource=workflowruns.{GROUP} {names} &&"
        f" kubectl create rolebinding {account}-execute -n {namespace} --role={account}-execute"
        f" --serviceaccount={namespace}:{account}"
    )
