"""The credentials of requests: those of a kubeconfig's user or of a pod's ServiceAccount.

1. Tokens are looked up for each request: files are read again, plugins and OIDC renew expired ones.
2. Of several kinds of credentials the first one counts: token (a file before the text), password,
   plugin, auth-provider.
3. Impersonation is part of each request. A client that left it out would have more rights than
   kubectl with the same file.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from grctl.kube.exec_plugin import ExecPlugin
from grctl.kube.kubeconfig import KubeconfigError, Section

AUTHORIZATION = "Authorization"
LEGAL_IN_HEADERS = "!#$&'*+-.^_`|~"
"""Beside letters and digits; any other character in the key of an extra is escaped."""

Headers = list[tuple[str, str]]


class Credentials(Protocol):
    """The identity that requests are made with."""

    async def headers(self) -> Headers:
        """Return the headers with the credentials; a name may occur several times."""


class TokenFile:
    """The token of a pod's ServiceAccount, which is renewed in its file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def headers(self) -> Headers:
        """Return the header with the present token."""
        return [_bearer(self._path.read_text(encoding="utf-8"))]


class UserCredentials:
    """The credentials of a kubeconfig's user."""

    def __init__(self, user: Section, plugin: ExecPlugin | None) -> None:
        _check_one_kind(user)
        self._user = user
        self._plugin = plugin
        self._impersonation = list(_impersonation(user))
        self._provider = _AuthProvider(user) if user.mapping("auth-provider") else None

    async def headers(self) -> Headers:
        """Return the headers with the credentials, and those of impersonation."""
        return [*await self._authorization(), *self._impersonation]

    async def _authorization(self) -> Headers:
        if token := _token(self._user):
            return [_bearer(token)]
        if self._user.text("username"):
            text = f"{self._user.text('username')}:{self._user.text('password')}"
            return [(AUTHORIZATION, f"Basic {base64.b64encode(text.encode()).decode()}")]
        if self._plugin:
            token = (await self._plugin.credential()).token
            return [_bearer(token)] if token else []
        return await self._provider.headers() if self._provider else []


class _AuthProvider:
    """OIDC, by the official client: kubectl no longer supports other providers."""

    def __init__(self, user: Section) -> None:
        if (name := user.below("auth-provider").text("name")) != "oidc":
            raise KubeconfigError(f"{user.name} has the auth-provider {name!r}; there is only oidc")
        settings = user.below("auth-provider").below("config")
        for key in settings.fields:
            settings.text(key)  # the official client expects each to be text
        self._user = user
        self._loader: Any = None

    async def headers(self) -> Headers:
        from kubernetes.aio.client import Configuration
        from kubernetes.aio.config import ConfigException
        from kubernetes.aio.config.kube_config import KubeConfigLoader

        if self._loader is None:
            self._loader = KubeConfigLoader(_kubeconfig_of(self._user.fields))
        configuration = Configuration()
        try:
            await self._loader.load_and_set(configuration)  # renews a token that has expired
        except (ConfigException, ValueError) as error:
            raise KubeconfigError(f"{self._user.name}: {error}") from error
        token = configuration.api_key.get("BearerToken", "")
        return [_bearer(token.removeprefix("Bearer "))]


def _kubeconfig_of(user: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig for the official client, with nothing but one user's auth-provider."""
    return {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": "http://unused"}}],
        "users": [{"name": "it", "user": {"auth-provider": user["auth-provider"]}}],
    }


def _bearer(token: str) -> tuple[str, str]:
    token = token.strip()
    if not token.isprintable():
        raise KubeconfigError("a token has a line break or another control character in it")
    return AUTHORIZATION, f"Bearer {token}"


def _token(user: Section) -> str:
    """Return the token of the tokenFile or, if that cannot be read, the token in the kubeconfig."""
    path, written = user.path("tokenFile"), user.text("token")
    if path is None:
        return written
    try:
        return path.read_text(encoding="utf-8").strip() or written
    except (OSError, UnicodeDecodeError) as error:
        if written:
            return written
        raise KubeconfigError(f"the tokenFile of {user.name} cannot be read: {error}") from error


def _check_one_kind(user: Section) -> None:
    """Raise KubeconfigError for two kinds of credentials of which kubectl accepts neither."""
    token = user.text("token") or user.text("tokenFile")
    if token and user.text("username"):
        raise KubeconfigError(f"{user.name} has a token and a username; only one can be")
    if user.mapping("exec") and user.mapping("auth-provider"):
        raise KubeconfigError(f"{user.name} has exec and an auth-provider; only one can be")


def _impersonation(user: Section) -> Iterator[tuple[str, str]]:
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra = user.below("as-user-extra")
    if not name and (uid or groups or extra.fields):
        raise KubeconfigError(
            f"{user.name} has as-uid, as-groups or as-user-extra without a user in 'as'"
        )
    if name:
        yield "Impersonate-User", name
    if uid:
        yield "Impersonate-Uid", uid
    for group in groups:
        yield "Impersonate-Group", group
    for key in extra.fields:
        for value in extra.texts(key):
            yield f"Impersonate-Extra-{quote(key, safe=LEGAL_IN_HEADERS)}", value
