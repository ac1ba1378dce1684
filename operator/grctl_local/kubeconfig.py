"""The kubeconfig by which clients find the server: its URL, its certificate and the token.

1. Only its owner can read it: whoever has the token may do everything.
2. A file that leads to something else is not written over: neither the kubeconfig of a cluster, nor
   that of another server of ours which still answers.
"""

import asyncio
import base64
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import yaml

NAME = "grctl-local"
AUTHORITY = "certificate-authority-data"
ANSWER = 2.0  # s: for a server on this machine, also a busy one


class KubeconfigTakenError(Exception):
    """The file belongs to something else."""


async def check_free(path: Path, server: str) -> None:
    """See that nobody needs what is in the file, before the server of this URL writes it.

    Raises:
        KubeconfigTakenError: it is no kubeconfig of ours, or of another server that still runs.
    """
    cluster = _own_cluster(path)
    if cluster and cluster["server"] != server and await _answers(cluster):
        raise KubeconfigTakenError(
            f"{path} is in use: another `grctl local` or `grctl dev` runs at {cluster['server']}."
            " Stop that one, or name another file: --kubeconfig FILE"
        )


def _own_cluster(path: Path) -> dict[str, str] | None:
    """Give the cluster of a file that we wrote; None where there is nothing in it yet."""
    if path.exists() and not path.is_file():  # a device would be gone, replaced by the file
        raise KubeconfigTakenError(f"{path} is not a file: name one to write, --kubeconfig FILE")
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        (named,) = yaml.safe_load(path.read_text(encoding="utf-8"))["clusters"]
        cluster: dict[str, str] = named["cluster"]
        ours = named["name"] == NAME and {"server", AUTHORITY} <= cluster.keys()
    except (OSError, ValueError, AttributeError, TypeError, KeyError, yaml.YAMLError):
        ours = False
    if not ours:
        raise KubeconfigTakenError(
            f"{path} is there already and not of `grctl local`: it is left as it is. Name another"
            " file: --kubeconfig FILE"
        )
    return cluster


async def _answers(cluster: dict[str, str]) -> bool:
    """Say whether that very server is there: another may have its port by now."""
    url = urlsplit(cluster["server"])
    try:
        authority = base64.b64decode(cluster[AUTHORITY]).decode()
        context = ssl.create_default_context(cadata=authority)
        async with asyncio.timeout(ANSWER):
            _, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    except (OSError, ValueError, TimeoutError):
        return False
    writer.transport.abort()
    return True


def write(path: Path, server: str, token: str, certificate: str) -> None:
    """Write the kubeconfig, in one step: a client never reads half of it.

    A link to a file stays one, and the file that it leads to is written.
    """
    path = path.resolve()
    authority = base64.b64encode(certificate.encode()).decode()
    cluster = {"server": server, AUTHORITY: authority}
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
