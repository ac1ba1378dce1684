"""A server that records requests, and a stock kubectl that sends it the same ones as our client."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.lab.kubectl import KUBECTL
from tests.lab.relay import Relay

NAME = "api.internal"
"""Name in the server's certificate, which does not have the server's address, 127.0.0.1."""

Requests = list[tuple[str, list[tuple[str, str]]]]
"""Path of each request, and its headers with credentials."""
CREDENTIALS_PREFIXES = ("authorization", "impersonate-")


@asynccontextmanager
async def recording_server(directory: Path) -> AsyncIterator[tuple[str, Requests, list[str]]]:
    """Yield the URL of a TLS server, the requests to it, and the names in client certificates.

    It answers each request with an empty list, and trusts `client.pem`.
    """
    requests: Requests = []
    certificate_names: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        peer: Any = request.get_extra_info("ssl_object")
        if der := peer.getpeercert(binary_form=True):
            certificate_names.append(
                x509.load_der_x509_certificate(der).subject.rfc4514_string()[3:]
            )
        headers = [(k.lower(), v) for k, v in request.headers.items()]
        credentials = sorted((k, v) for k, v in headers if k.startswith(CREDENTIALS_PREFIXES))
        requests.append((request.path, credentials))
        return web.json_response({"kind": "List", "apiVersion": "v1", "items": [], "metadata": {}})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=_server_context(directory))
    yield f"https://127.0.0.1:{server.port}", requests, certificate_names
    await server.close()


@asynccontextmanager
async def running_proxy(port: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the URL of a proxy whose tunnels all lead to a port, and the requests to it."""
    async with Relay(port, is_http_proxy=True) as relay:
        yield f"http://127.0.0.1:{relay.port}", relay.connects


def write_kubeconfig(
    path: Path, server: str, *, cluster: Any = None, user: Any = None, **more: Any
) -> Path:
    """Write a kubeconfig of one context, `a`, in which everything is called `a`.

    The user has a token by default: kubectl asks a user without credentials for a name.
    """
    secure = {"insecure-skip-tls-verify": True} if cluster is None else cluster
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server, **secure}}],
        "users": [{"name": "a", "user": user or {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a", "namespace": "shop"}}],
        **more,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


async def run_kubectl(environment: dict[str, str]) -> tuple[int, str]:
    """List the pods by kubectl. Return its exit code and its standard error."""
    home = {"HOME": "/nowhere", "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        *("get", "--raw", "/api/v1/pods", "--request-timeout", "20s"),
        env={**home, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate()
    return process.returncode or 0, error.decode()


def _make_certificate(name: str) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _server_context(directory: Path) -> ssl.SSLContext:
    certificate, key = _make_certificate(NAME)
    (directory / "ca.pem").write_bytes(certificate)
    (directory / "server.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    certificate, key = _make_certificate("ann")
    (directory / "client.pem").write_bytes(certificate)
    (directory / "client.key").write_bytes(key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(directory / "client.pem")
    return context
