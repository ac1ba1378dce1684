"""Which API server, as whom, and in which namespace: found as kubectl finds it.

1. An explicit kubeconfig, then the files of `$KUBECONFIG`, then `~/.kube/config`, then the pod's
   ServiceAccount.
2. The headers with the credentials are made anew for each request: tokens expire and are renewed.
3. A setting of a kubeconfig that we do not support is refused, never ignored.
"""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from grctl.kube import kubeconfig as kubeconfigs
from grctl.kube.credentials import (
    AUTHORIZATION,
    Credentials,
    Headers,
    TokenFile,
    UserCredentials,
)
from grctl.kube.exec_plugin import ExecPlugin
from grctl.kube.kubeconfig import KubeconfigError, Section
from grctl.kube.proxies import proxy_of
from grctl.serving.loopback import is_loopback

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_KUBECONFIG = Path("~/.kube/config")


class ConnectionConfigError(Exception):
    """There is no usable configuration of a Kubernetes API."""


@dataclass(frozen=True)
class Connection:
    """Where the API server is, and how to speak to it."""

    server: str
    namespace: str
    tls: ssl.SSLContext | None
    credentials: Credentials
    proxy: str | None = None
    """URL of the proxy to the server."""
    tls_server_name: str | None = None
    """The name that the server's certificate must have, if that is not the name in `server`."""

    @classmethod
    async def find(
        cls, kubeconfig: str | os.PathLike[str] | None = None, context: str | None = None
    ) -> "Connection":
        """Load the configuration as kubectl would.

        Raises:
            ConnectionConfigError: there is no configuration, or it cannot be used.
        """
        paths = _kubeconfig_paths(kubeconfig)
        if not paths and not (SERVICE_ACCOUNT / "token").exists():
            raise ConnectionConfigError(
                "No Kubernetes API is configured: set KUBECONFIG, write ~/.kube/config, or run in"
                " a pod with a ServiceAccount. `grctl dev` starts one and prints its kubeconfig."
            )
        if not paths:
            return _in_cluster()
        return await _from_kubeconfig(paths, context)

    async def authorization(self) -> Headers:
        """Return the headers with the credentials of a request.

        As with kubectl, no token is sent unencrypted, except to a server on this machine.

        Raises:
            ConnectionConfigError: there is no usable token.
        """
        try:
            headers = await self.credentials.headers()
        except (OSError, ValueError) as error:
            raise ConnectionConfigError(f"No credentials for {self.server}: {error}") from error
        return [each for each in headers if each[0] != AUTHORIZATION or self._is_private]

    @property
    def _is_private(self) -> bool:
        """Whether nobody on the way to the server can read the requests."""
        parts = urlsplit(self.server)
        return parts.scheme == "https" or is_loopback(parts.hostname or "")


def _kubeconfig_paths(kubeconfig: str | os.PathLike[str] | None) -> list[Path]:
    """Return the files to read: the given one, those that `$KUBECONFIG` names, or the default."""
    if kubeconfig:
        return [Path(kubeconfig).expanduser()]
    named = [each for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    if named:
        return [Path(each).expanduser() for each in dict.fromkeys(named)]
    default = DEFAULT_KUBECONFIG.expanduser()
    return [default] if default.exists() else []


def _in_cluster() -> Connection:
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{each}", "") for each in ("HOST", "PORT"))
    if not host or not port:
        raise ConnectionConfigError(
            "This pod has a ServiceAccount, but KUBERNETES_SERVICE_HOST and _PORT are not set."
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    try:
        return Connection(
            server,
            (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip(),
            ssl.create_default_context(cafile=SERVICE_ACCOUNT / "ca.crt"),
            TokenFile(SERVICE_ACCOUNT / "token"),
            proxy_of(server, "", os.environ),
        )
    except (OSError, ValueError) as error:
        raise ConnectionConfigError(f"This pod's ServiceAccount cannot be used: {error}") from error


async def _from_kubeconfig(paths: list[Path], context: str | None) -> Connection:
    shown = os.pathsep.join(map(str, paths))
    if not any(each.exists() for each in paths):
        raise ConnectionConfigError(f"There is no kubeconfig {shown}")
    try:
        return await _load(paths, context)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConnectionConfigError(f"The kubeconfig {shown} cannot be used: {text}") from error


async def _load(paths: list[Path], context: str | None) -> Connection:
    config = kubeconfigs.read(paths)
    chosen = config.context(context)
    cluster, user = config.cluster(chosen), config.user(chosen)
    scheme, separator, rest = cluster.text("server").rstrip("/").partition("://")
    server = f"{scheme.lower()}{separator}{rest}"
    if not server.startswith(("https://", "http://")):
        raise KubeconfigError(f"the server of {cluster.name} is not a URL: {server!r}")
    plugin = ExecPlugin(user, _cluster_for_plugins(cluster)) if user.mapping("exec") else None
    credentials = UserCredentials(user, plugin)
    await credentials.headers()  # unusable credentials are reported here, before any request
    return Connection(
        server,
        chosen.text("namespace") or "default",
        await _tls_context(cluster, user, plugin) if server.startswith("https:") else None,
        credentials,
        proxy_of(server, cluster.text("proxy-url"), os.environ),
        cluster.text("tls-server-name") or None,
    )


def _cluster_for_plugins(cluster: Section) -> dict[str, Any]:
    return {name: value for name, value in cluster.fields.items() if name != "extensions"}


async def _tls_context(
    cluster: Section, user: Section, plugin: ExecPlugin | None
) -> ssl.SSLContext:
    authority = _pem(cluster, "certificate-authority")
    context = ssl.create_default_context()
    if authority:
        context = _context_with_authority(authority, cluster)
    if cluster.flag("insecure-skip-tls-verify"):
        if authority:
            raise KubeconfigError(f"{cluster.name} has an authority, and wants none to be checked")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _pem(user, "client-certificate"), _pem(user, "client-key")
    if not certificate and plugin and not user.text("token"):
        given = await plugin.credential()
        certificate, key = given.certificate.encode(), given.key.encode()
    if bool(certificate) != bool(key):
        raise KubeconfigError(f"{user.name} has one of client-certificate and client-key, not both")
    if certificate:
        _load_client_certificate(context, certificate, key, user)
    return context


def _context_with_authority(authority: bytes, cluster: Section) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authority.decode("ascii", errors="replace"))
    except ssl.SSLError as error:
        text = f"no certificate or crl found in the certificate-authority of {cluster.name}"
        raise KubeconfigError(text) from error


def _load_client_certificate(
    context: ssl.SSLContext, certificate: bytes, key: bytes, user: Section
) -> None:
    """Load a client certificate. Python reads it from files only."""
    try:
        with _file_of(certificate + b"\n" + key) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as error:
        text = f"the client-certificate and client-key of {user.name} cannot be used: {error}"
        raise KubeconfigError(text) from error


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """Keep content in a file that only this user may read, for a moment."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


def _pem(section: Section, key: str) -> bytes:
    """Return the PEM in the field `KEY-data`, or in the file that the field KEY names; or b""."""
    data, path = section.text(f"{key}-data"), section.path(key)
    if not data:
        return path.read_bytes() if path else b""
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error as error:
        raise KubeconfigError(f"{key}-data of {section.name} is not base64: {error}") from error
