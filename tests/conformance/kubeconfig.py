"""Reads those parts of a kubeconfig that test clusters use: a token, and certificates."""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Access:
    """The address of an API server, and the credentials for it."""

    server: str
    token: str | None
    tls: ssl.SSLContext | None


def load(path: Path) -> Access:
    """Return the access of the current context of a kubeconfig."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    context = _find_entry(config["contexts"], config["current-context"])["context"]
    cluster = _find_entry(config["clusters"], context["cluster"])["cluster"]
    user = _find_entry(config["users"], context["user"])["user"]
    server = cluster["server"].rstrip("/")
    tls = _tls(cluster, user, path.parent) if server.startswith("https:") else None
    return Access(server, user.get("token"), tls)


def _find_entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _tls(cluster: dict[str, Any], user: dict[str, Any], beside: Path) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority", beside)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate = _content(user, "client-certificate", beside)
    key = _content(user, "client-key", beside)
    if certificate and key:
        with tempfile.NamedTemporaryFile() as file:  # ssl reads files only
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _content(entry: dict[str, Any], field: str, beside: Path) -> bytes | None:
    if inline := entry.get(f"{field}-data"):
        return base64.b64decode(inline)
    if name := entry.get(field):
        return (beside / str(name)).read_bytes()
    return None
