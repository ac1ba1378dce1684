"""Tokens of ServiceAccounts: made by a TokenRequest, checked by a TokenReview.

1. A token is a JWT. The secret that signs it is kept with the data, so it survives a restart.
2. A token is valid for its audiences only, until it expires or its account is deleted.
3. This server, which has one user, takes no such token itself. Other servers, as the operator, have
   it checked by a TokenReview.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from grctl_local.clock import timestamp
from grctl_local.errors import Cause, Json, invalid, not_found
from grctl_local.store import ObjectStore
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.request import Call

ACCOUNTS = "serviceaccounts"
API_AUDIENCE = "https://kubernetes.default.svc.cluster.local"
SHORTEST_TOKEN_S, DEFAULT_TOKEN_S = 600, 3600  # s
JWT_HEADER = {"alg": "HS256", "typ": "JWT"}


class BadTokenError(Exception):
    """A token is not valid. The message says why."""


@dataclass(frozen=True)
class Account:
    """The ServiceAccount of a token."""

    namespace: str
    name: str
    uid: str
    audiences: tuple[str, ...]
    """The audiences that both the token and the review name."""
    credential: str

    @property
    def user(self) -> Json:
        """The account as the user of a TokenReview."""
        return {
            "username": f"system:serviceaccount:{self.namespace}:{self.name}",
            "uid": self.uid,
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{self.namespace}",
                "system:authenticated",
            ],
            "extra": {"authentication.kubernetes.io/credential-id": [f"JTI={self.credential}"]},
        }


def request_token(cluster: Cluster, call: Call, value: Json) -> Json:
    """Return the answer to a TokenRequest for a ServiceAccount, with the new token.

    Raises:
        StatusError: the account does not exist, or the requested lifetime is too short.
    """
    account = cluster.store.get(ACCOUNTS, call.key)
    if account is None:
        raise not_found("", ACCOUNTS, call.name)
    spec = value.get("spec") or {}
    seconds = int(spec.get("expirationSeconds") or DEFAULT_TOKEN_S)
    if seconds < SHORTEST_TOKEN_S:
        message = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        cause = Cause("FieldValueInvalid", "spec.expirationSeconds", message)
        raise invalid("authentication.k8s.io", "TokenRequest", "", [cause])
    audiences = list(spec.get("audiences") or [API_AUDIENCE])
    expires = cluster.clock() + timedelta(seconds=seconds)
    uid = account.value["metadata"]["uid"]
    claims = {
        "aud": audiences,
        "exp": int(expires.timestamp()),
        "iat": int(cluster.clock().timestamp()),
        "iss": API_AUDIENCE,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": {
            "namespace": call.namespace,
            "serviceaccount": {"name": call.name, "uid": uid},
        },
        "sub": f"system:serviceaccount:{call.namespace}:{call.name}",
    }
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": call.name, "namespace": call.namespace},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": None},
        "status": {
            "token": _sign(claims, _secret(cluster.store)),
            "expirationTimestamp": timestamp(expires),
        },
    }


def account_of(cluster: Cluster, token: str, audiences: Sequence[str]) -> Account:
    """Return the account of a token.

    Raises:
        BadTokenError: the token is not valid now, or not for these audiences.
    """
    claims = _claims(token, _secret(cluster.store))
    common = tuple(each for each in audiences or (API_AUDIENCE,) if each in claims["aud"])
    if not common:
        raise BadTokenError(
            f"token audiences {claims['aud']} is invalid for the target audiences {audiences}"
        )
    if cluster.clock().timestamp() >= claims["exp"]:
        raise BadTokenError("service account token has expired")
    about = claims["kubernetes.io"]
    namespace, name = about["namespace"], about["serviceaccount"]["name"]
    uid = about["serviceaccount"]["uid"]
    account = cluster.store.get(ACCOUNTS, (namespace, name))
    if account is None or account.value["metadata"]["uid"] != uid:
        raise BadTokenError("service account token has been invalidated")
    return Account(namespace, name, uid, common, claims["jti"])


def _secret(store: ObjectStore) -> bytes:
    secret = store.fact("token-key")
    if not secret:
        secret = secrets.token_hex(32)
        store.set_fact("token-key", secret)
    return secret.encode()


def _sign(claims: Json, secret: bytes) -> str:
    text = f"{_encode(JWT_HEADER)}.{_encode(claims)}"
    return f"{text}.{_signature(text, secret)}"


def _claims(token: str, secret: bytes) -> Any:
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(text, secret).encode()):
        raise BadTokenError("invalid bearer token")
    return orjson.loads(_decode(text.partition(".")[2]))


def _signature(text: str, secret: bytes) -> str:
    return _base64(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def _encode(value: Json) -> str:
    return _base64(orjson.dumps(value))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
