"""The ServiceAccount of the workers of `grctl dev`: created on its API, with a token in a file.

So a worker needs the same on a laptop as in a cluster: a token, and the verb `execute` on
workflowruns.
"""

import os
from pathlib import Path
from typing import Any

from grctl.cli.installing import FIELD_MANAGER
from grctl.kube import Api, Connection
from grctl.models import GROUP

DEV_WORKER_ACCOUNT = "grctl-dev-worker"
TOKEN_LIFETIME_S = 365 * 24 * 3600
"""Once `grctl dev` has ended the token is useless, unless `--data` keeps the objects of its API."""
RBAC = "rbac.authorization.k8s.io"

Json = dict[str, Any]


async def write_worker_token(kubeconfig: Path, namespace: str, audience: str, path: Path) -> None:
    """Create an account that may execute all workflow types of a namespace, and write its token.

    Args:
        kubeconfig: Of the API.
        namespace: The only namespace that such a worker may serve. It is created if it is missing.
        audience: The audience of the token.
        path: The file. Only this user may read it.
    """
    async with Api(await Connection.find(kubeconfig), user_agent=FIELD_MANAGER) as api:
        for where, manifest in _manifests(namespace):
            await api.apply(f"{where}/{manifest['metadata']['name']}", manifest, FIELD_MANAGER)
        request = {"spec": {"audiences": [audience], "expirationSeconds": TOKEN_LIFETIME_S}}
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        answer = await api.create(f"{accounts}/{DEV_WORKER_ACCOUNT}/token", request)
    _write_private(path, answer["status"]["token"])


def _manifests(namespace: str) -> list[tuple[str, Json]]:
    """Return the objects to apply, each with the path of its collection."""
    inside, metadata = (
        f"namespaces/{namespace}",
        {"name": DEV_WORKER_ACCOUNT, "namespace": namespace},
    )
    roles = f"/apis/{RBAC}/v1/{inside}"
    rule = {"apiGroups": [GROUP], "resources": ["workflowruns"], "verbs": ["execute"]}
    subject = {"kind": "ServiceAccount", "name": DEV_WORKER_ACCOUNT, "namespace": namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": DEV_WORKER_ACCOUNT}
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
    """Write a file that only this user can read, from its creation on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
