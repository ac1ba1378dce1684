"""The kubeconfig by which clients find the server: its URL, its certificate and the token.

1. Only the owner of the file can read it, because the token allows everything.
2. The server does not overwrite the kubeconfig of a cluster, nor that of another embedded API that
   still answers.
"""

import asyncio
import base64
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import yaml

ENTRY_NAME = "grctl-local"
AUTHORITY_KEY = "certificate-authority-data"
PROBE_TIMEOUT_S = 2.0  # enough for a busy server on this machine


class KubeconfigTakenError(Exception):
    """The file belongs to something else."""


async def check_free(path: Path, server: str) -> None:
    """Raise an error if the file is in use, before the server of this URL overwrites it.

    Raises:
        KubeconfigTakenError: an embedded API did not write the file, or one that still runs did.
    """
    cluster = _own_cluster(path)
    if cluster and cluster["server"] != server and await _answers(cluster):
        raise KubeconfigTakenError(
            f"{path} is in use: another `grctl local` or `grctl dev` runs at {cluster['server']}."
            " Stop that one, or name another file: --kubeconfig FILE"
        )


def _own_cluster(path: Path) -> dict[str, str] | None:
    """Return the cluster that an embedded API wrote into the file, or None if it is empty."""
    if path.exists() and not path.is_file():  # writing would replace a device by a file
        raise KubeconfigTakenError(f"{path} is not a file: name one to write, --kubeconfig FILE")
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        (named,) = yaml.safe_load(path.read_text(encoding="utf-8"))["clusters"]
        cluster: dict[str, str] = named["cluster"]
        ours = named["name"] == ENTRY_NAME and {"server", AUTHORITY_KEY} <= cluster.keys()
    except (OSError, ValueError, AttributeError, TypeError, KeyError, yaml.YAMLError):
        ours = False
    if not ours:
        raise KubeconfigTakenError(
            f"{path} is there already and not of `grctl local`: it is left as it is. Name another"
            " file: --kubeconfig FILE"
        )
    return cluster


async def _answers(cluster: dict[str, str]) -> bool:
    """Return whether the server of the file answers. Another server may have its port by now."""
    url = urlsplit(cluster["server"])
    try:
        authority = base64.b64decode(cluster[AUTHORITY_KEY]).decode()
        context = ssl.create_default_context(cadata=authority)
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    except (OSError, ValueError, TimeoutError):
        return False
    writer.transport.abort()
    return True


def write(path: Path, server: str, token: str, certificate: str) -> None:
    """Write the kubeconfig in one step, so that a client never reads half of it.

    A symbolic link stays a link: the file that it points to is written.
    """
    path = path.resolve()
    authority = base64.b64encode(certificate.encode()).decode()
    cluster = {"server": server, AUTHORITY_KEY: authority}
    context = {"cluster": ENTRY_NAME, "user": ENTRY_NAME, "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": ENTRY_NAME,
        "clusters": [{"name": ENTRY_NAME, "cluster": cluster}],
        "users": [{"name": ENTRY_NAME, "user": {"token": token}}],
        "contexts": [{"name": ENTRY_NAME, "context": context}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    unfinished.replace(path)
