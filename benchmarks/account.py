"""The user of a real API server: a ServiceAccount with its token, as in a pod.

A client certificate, as an administrator has, is verified again for each request. That is a large
part of what a small request costs. A token is not verified again, and operators, workers and
services in a cluster have tokens.
"""

import base64
import ssl
from pathlib import Path
from typing import Any

import yaml

from grctl.kube import Api, Connection, Resource

TOKEN_LIFETIME_S = 24 * 3600
ADMIN_ROLE = "cluster-admin"
ACCOUNTS = Resource("/api/v1", "serviceaccounts")
BINDINGS = Resource("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings")

Json = dict[str, Any]


async def as_service_account(kubeconfig: Path, name: str, file: Path) -> Path:
    """Create a ServiceAccount that may do everything, and write a kubeconfig with its token.

    Args:
        kubeconfig: The kubeconfig of an administrator.
        name: The name of the ServiceAccount and of its ClusterRoleBinding.
        file: The new kubeconfig.
    """
    async with Api(await Connection.find(kubeconfig)) as api:
        token = await _token(api, name)
        text = yaml.safe_dump(_kubeconfig(api.connection, token))
    _write_secret(file, text)
    return file


async def remove_service_account(kubeconfig: Path, name: str) -> None:
    """Remove the ServiceAccount. Its token is not valid after that."""
    async with Api(await Connection.find(kubeconfig)) as api:
        await api.delete(BINDINGS.path(name=name))
        await api.delete(ACCOUNTS.path(api.connection.namespace, name))


async def _token(api: Api, name: str) -> str:
    namespace = api.connection.namespace
    await api.create(ACCOUNTS.path(namespace), {"metadata": {"name": name}})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ADMIN_ROLE}
    binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    await api.create(BINDINGS.path(), binding)
    request = {"spec": {"expirationSeconds": TOKEN_LIFETIME_S}}
    answer = await api.create(ACCOUNTS.path(namespace, name, "token"), request)
    token: str = answer["status"]["token"]
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
