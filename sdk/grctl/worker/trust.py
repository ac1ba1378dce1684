"""How a worker makes sure of its operator, and proves itself to it.

1. A token is sent over an encrypted connection, or within this machine.
2. Files are read anew for each connection: tokens and authorities are renewed in place.
3. The operator's certificate must name the host of the address that the worker was given. So must
   that of another operator that it is sent to: replicas share a certificate, and have no names.
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
    """A connection would show a token to others, or its peer cannot be verified."""


def check_address(url: str) -> None:
    """Refuse an address to which the token may not be sent.

    Raises:
        TrustError: so it is; says what would do.
    """
    if not os.environ.get(TOKEN_FILE) or _is_private(url) or _allows_insecure():
        return
    raise TrustError(
        f"{TOKEN_FILE} is set, and {url} is not encrypted: whoever listens on the way could use"
        f" the token. Use https, with {CA_FILE} where the certificate is not of a public"
        f" authority. Where something else encrypts the way, set {ALLOW_INSECURE}=true."
    )


def check_redirect(url: str, configured: str) -> None:
    """Refuse to be sent from an encrypted address to one that is not.

    Raises:
        TrustError: so it is.
    """
    if urlsplit(configured).scheme == "https" != urlsplit(url).scheme:
        raise TrustError(f"sent from {configured} to {url}, which is not encrypted: not followed")


def authorization(url: str) -> dict[str, str]:
    """Give the header that says who connects.

    Raises:
        TrustError: it may not be sent to this address, or is not text that a header may have.
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
    """Give how the operator's certificate is verified; True: as this machine verifies any.

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
