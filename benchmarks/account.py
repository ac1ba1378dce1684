"""Who asks a real API server: a ServiceAccount with its token, as in a pod.

An administrator's client certificate is verified anew at each request, which is a good part of what
a small request costs; a token is not. Operators, workers and services in a cluster have tokens.
"""

import base64
import ssl
from pathlib import Path
from typing import Any

import yaml

from grctl.kube import Api, Connection, Resource

LASTS = 24 * 3600  # s
ROLE = "cluster-admin"
ACCOUNTS = Resource("/api/v1", "serviceaccounts")
BINDINGS = Resource("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings")

Json = dict[str, Any]


async def as_service_account(kubeconfig: Path, name: str, file: Path) -> Path:
    """Make a ServiceAccount that may do everything, and write a kubeconfig with its token.

    Args:
        kubeconfig: An administrator's.
        name: Of the ServiceAccount, and of its ClusterRoleBinding.
        file: Where the new kubeconfig is written.
    """
    async with Api(await Connection.find(kubeconfig)) as api:
        token = await _token(api, name)
        text = yaml.safe_dump(_kubeconfig(api.connection, token))
    _write_secret(file, text)
    return file


async def forget(kubeconfig: Path, name: str) -> None:
    """Remove the ServiceAccount; its token ends with it."""
    async with Api(await Connection.find(kubeconfig)) as api:
        await api.delete(BINDINGS.path(name=name))
        await api.delete(ACCOUNTS.path(api.connection.namespace, name))


async def _token(api: Api, name: str) -> str:
    namespace = api.connection.namespace
    await api.create(ACCOUNTS.path(namespace), {"metadata": {"name": name}})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE}
    binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    await api.create(BINDINGS.path(), binding)
    asked = {"spec": {"expirationSeconds": LASTS}}
    given = await api.create(ACCOUNTS.path(namespace, name, "token"), asked)
    token: str = given["status"]["token"]
    return token


def _write_secret(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def _kubeconfig(connection: Connection, token: str) -> Json:
    cluster: Json = {"server": connection.server}
    if connection.tls is not None:
        trusted = connection.tls.get_ca_certs(binary_form=True)
        authority = "".join(map(ssl.DER_cert_to_PEM_cert, trusted))
        cluster["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
