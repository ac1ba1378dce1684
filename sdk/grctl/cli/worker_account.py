"""The ServiceAccount of the workers of `grctl dev`: made on its own API, with a token in a file.

So a laptop asks the same of a worker as a cluster does: a token, and the verb `execute` on
workflowruns.
"""

import os
from pathlib import Path
from typing import Any

from grctl.cli.installing import MANAGER
from grctl.kube import Api, Connection
from grctl.models import GROUP

ACCOUNT = "grctl-dev-worker"
TOKEN_LIFETIME_S = 365 * 24 * 3600
"""The token is worth nothing once `grctl dev` has ended, unless `--data` keeps its API."""
RBAC = "rbac.authorization.k8s.io"

Json = dict[str, Any]


async def write_worker_token(kubeconfig: Path, namespace: str, audience: str, path: Path) -> None:
    """Create an account that may execute all workflow types of a namespace, and write its token.

    Args:
        kubeconfig: Of the API that is asked; the namespace is made where it does not exist.
        namespace: The one namespace that such a worker may serve.
        audience: What the token is made for.
        path: The file; nobody but this user may read it.
    """
    async with Api(await Connection.find(kubeconfig), user_agent=MANAGER) as api:
        for where, manifest in _manifests(namespace):
            await api.apply(f"{where}/{manifest['metadata']['name']}", manifest, MANAGER)
        request = {"spec": {"audiences": [audience], "expirationSeconds": TOKEN_LIFETIME_S}}
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        answer = await api.create(f"{accounts}/{ACCOUNT}/token", request)
    _write_private(path, answer["status"]["token"])


def _manifests(namespace: str) -> list[tuple[str, Json]]:
    """Return the objects to apply, each with the path of its collection."""
    inside, metadata = f"namespaces/{namespace}", {"name": ACCOUNT, "namespace": namespace}
    roles = f"/apis/{RBAC}/v1/{inside}"
    rule = {"apiGroups": [GROUP], "resources": ["workflowruns"], "verbs": ["execute"]}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT}
    return [
        ("/api/v1/namespaces", _object("v1", "Namespace", {"name": namespace})),
        (f"/api/v1/{inside}/serviceaccounts", _object("v1", "ServiceAccount", metadata)),
        (f"{roles}/roles", _object(f"{RBAC}/v1", "Role", metadata, rules=[rule])),
        (
            f"{roles}/rolebindings",
            _object(f"{RBAC}/v1", "RoleBinding", metadata, subjects=[subject], roleRef=role),
        ),
    ]


def _object(api_version: str, kind: str, metadata: Json, **rest: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, also while it is written."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
