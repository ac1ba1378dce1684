"""The kubeconfig by which clients find the server: its URL, its certificate and the token.

Only its owner can read it: whoever has the token may do everything.
"""

import base64
import os
from pathlib import Path

import yaml

NAME = "grctl-local"


def write(path: Path, server: str, token: str, certificate: str) -> None:
    """Write the kubeconfig, in one step: a client never reads half of it."""
    authority = base64.b64encode(certificate.encode()).decode()
    cluster = {"server": server, "certificate-authority-data": authority}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [
            {"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    unfinished.replace(path)
