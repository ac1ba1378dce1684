"""Authentication between a worker and its operator, in both directions.

1. A token is sent only over an encrypted connection, or within this machine.
2. The token's file and the authority's file are read for each connection, because they are renewed
   in place.
3. The operator's certificate must name the host of the configured address. After a redirect the
   other operator's certificate must name that host too: replicas share one certificate.
"""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from grctl.serving.loopback import is_loopback

TOKEN_FILE = "GRCTL_WORKER_TOKEN_FILE"  # noqa: S105  the name of a variable
CA_FILE = "GRCTL_OPERATOR_CA_FILE"
ALLOW_INSECURE = "GRCTL_ALLOW_INSECURE_TOKEN"


class TrustError(ValueError):
    """A connection would expose the token, or the operator cannot be verified."""


def check_address(url: str) -> None:
    """Check that the token may be sent to an address.

    Raises:
        TrustError: it may not; says what to do.
    """
    if not os.environ.get(TOKEN_FILE) or _is_private(url) or _allows_insecure():
        return
    raise TrustError(
        f"{TOKEN_FILE} is set, and {url} is not encrypted: whoever listens on the way could use"
        f" the token. Use https, with {CA_FILE} where the certificate is not of a public"
        f" authority. Where something else encrypts the way, set {ALLOW_INSECURE}=true."
    )


def check_redirect(url: str, configured: str) -> None:
    """Check that a redirect does not lead from an encrypted address to an unencrypted one.

    Raises:
        TrustError: it does.
    """
    if urlsplit(configured).scheme == "https" != urlsplit(url).scheme:
        raise TrustError(f"sent from {configured} to {url}, which is not encrypted: not followed")


def authorization(url: str) -> dict[str, str]:
    """Return the header that authenticates the worker; empty without a token.

    Raises:
        TrustError: the token may not be sent to this address, or does not fit into a header.
        OSError: the token cannot be read.
    """
    check_address(url)
    path = os.environ.get(TOKEN_FILE)
    return {"Authorization": f"Bearer {_token(path)}"} if path else {}


def _token(path: str) -> str:
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise TrustError(f"{TOKEN_FILE} {path} cannot be used: it is not UTF-8") from error
    if not token.isprintable():
        raise TrustError(f"{TOKEN_FILE} {path} has a control character in it")
    return token


def verification() -> ssl.SSLContext | bool:
    """Return how to verify the operator's certificate; True by the authorities of this machine.

    Raises:
        TrustError: the authority cannot be read.
    """
    path = os.environ.get(CA_FILE)
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise TrustError(f"{CA_FILE} {path} cannot be used: {error}") from error


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def _allows_insecure() -> bool:
    return os.environ.get(ALLOW_INSECURE, "").lower() in {"1", "true", "yes"}
