"""Which API server, as whom, and in which namespace: found as kubectl finds it.

1. An explicit kubeconfig, then `$KUBECONFIG`, then `~/.kube/config`, then the pod's ServiceAccount.
2. Tokens are asked for at each request: exec plugins, OIDC and projected tokens renew themselves.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    configuration: Any
    """`kubernetes.aio.client.Configuration`: it renews tokens."""

    @classmethod
    async def find(
        cls, kubeconfig: str | os.PathLike[str] | None = None, context: str | None = None
    ) -> "Connection":
        """Load the configuration as kubectl would.

        Raises:
            ConnectionConfigError: none is there, or it cannot be read; says where it looked.
        """
        path = kubeconfig or os.environ.get("KUBECONFIG") or _default_kubeconfig()
        if path is None and not (SERVICE_ACCOUNT / "token").exists():
            raise ConnectionConfigError(
                "No Kubernetes API is configured: set KUBECONFIG, write ~/.kube/config, or run in"
                " a pod with a ServiceAccount. `grctl dev` starts one and prints its kubeconfig."
            )
        return _in_cluster() if path is None else await _from_kubeconfig(str(path), context)

    async def authorization(self) -> dict[str, str]:
        """Give the header that says who asks."""
        settings = await self.configuration.auth_settings()
        bearer = settings.get("BearerToken", {}).get("value")
        return {"Authorization": bearer} if bearer else {}


def _default_kubeconfig() -> str | None:
    path = DEFAULT_KUBECONFIG.expanduser()
    return str(path) if path.exists() else None


def _in_cluster() -> Connection:
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import load_incluster_config

    configuration = Configuration()
    load_incluster_config(client_configuration=configuration)
    namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    return _connection(configuration, namespace)


async def _from_kubeconfig(path: str, context: str | None) -> Connection:
    from kubernetes.aio.config import ConfigException
    from yaml import YAMLError

    if not _exists(path):
        raise ConnectionConfigError(f"There is no kubeconfig {path}")
    try:
        return await _load(path, context)
    except (ConfigException, OSError, ValueError, YAMLError) as error:
        text = " ".join(str(error).split())
        raise ConnectionConfigError(f"The kubeconfig {path} cannot be used: {text}") from error
    except (AttributeError, KeyError, TypeError) as error:
        text = f"something is missing in it, or is of another kind ({error})"
        raise ConnectionConfigError(f"The kubeconfig {path} cannot be used: {text}") from error


def _exists(path: str) -> bool:
    """Say whether one of the files is there: as for kubectl, `$KUBECONFIG` may name several."""
    return any(Path(each).exists() for each in path.split(os.pathsep))


async def _load(path: str, context: str | None) -> Connection:
    # Imported here: it takes a quarter of a second, and many commands never come here.
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import list_kube_config_contexts, load_kube_config

    configuration = Configuration()
    contexts, active = list_kube_config_contexts(config_file=path)
    chosen = active if context is None else _named(contexts, context, path)
    await load_kube_config(
        config_file=path, context=chosen["name"], client_configuration=configuration
    )
    return _connection(configuration, chosen["context"].get("namespace") or "default")


def _named(contexts: list[Any], name: str, path: str) -> Any:
    for context in contexts:
        if context["name"] == name:
            return context
    names = ", ".join(sorted(context["name"] for context in contexts)) or "none"
    raise ConnectionConfigError(f"{path} has no context {name!r}; it has: {names}")


def _connection(configuration: Any, namespace: str) -> Connection:
    server = configuration.host.rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise ValueError(f"its cluster's server is no URL: {server!r}")
    tls = _tls_context(configuration) if server.startswith("https:") else None
    return Connection(server, namespace, tls, configuration)


def _tls_context(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
