"""Certificate: the dispatcher's TLS certificate, read again whenever its files change.

1. cert-manager, or an administrator, renews the certificate by writing its files. Nothing is
   restarted. The kubelet swaps a symlink above them, so the files themselves are polled.
2. A certificate and a key that do not fit together, as while they are written, change nothing.
3. New connections get the new certificate. Open connections stay as they are.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import NoReturn

CERTIFICATE_CHECK_S = 10.0  # the kubelet takes longer to update a mounted Secret

Stamp = tuple[tuple[int, int, int], ...]

logger = logging.getLogger(__name__)


class CertificateError(Exception):
    """A certificate and its key cannot be used."""


class Certificate:
    """A certificate, its key, and the TLS settings of a server that has them.

    Args:
        certificate: PEM file of the certificate and its chain.
        key: PEM file of its key.

    Raises:
        CertificateError: the files cannot be used; the message names them.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._paths = Path(certificate), Path(key)
        self._seen = self._stamp()
        self._check_pair()
        self.context = _context()
        self._load(self.context)

    def refresh(self) -> bool:
        """Read the files again if they changed. Return whether there is another certificate now."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._check_pair()
            self._load(self.context)
        except CertificateError as error:
            logger.warning("certificate not renewed", extra={"error": str(error)})
            return False
        self._seen = stamp
        logger.info("certificate renewed", extra={"certificate": str(self._paths[0])})
        return True

    async def follow(self) -> NoReturn:
        """Poll the files until cancelled."""
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_S)
            self.refresh()

    def _check_pair(self) -> None:
        """Load the files elsewhere first: a bad pair would leave a server without a certificate."""
        self._load(_context())

    def _load(self, context: ssl.SSLContext) -> None:
        certificate, key = self._paths
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    def _stamp(self) -> Stamp:
        """Return what changes whenever the files do."""
        try:
            found = [path.stat() for path in self._paths]
        except OSError as error:
            raise self._unusable(error) from error
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)

    def _unusable(self, error: Exception) -> CertificateError:
        certificate, key = self._paths
        return CertificateError(
            f"The certificate {certificate} and the key {key} cannot be used together: {error}"
        )


def _context() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
