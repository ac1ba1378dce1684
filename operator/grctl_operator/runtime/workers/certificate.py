"""Certificate: what the dispatcher shows to workers, read again whenever its files change.

1. Who renews it (cert-manager, an administrator) writes the files; nothing is restarted. The
   kubelet swaps a symlink above them, so the files themselves are looked at, again and again.
2. A pair that does not fit together, as while it is being written, changes nothing.
3. New connections see the new certificate; those that are open stay as they are.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import NoReturn

CHECK = 10.0  # s: the kubelet takes longer to bring a changed Secret

Stamp = tuple[tuple[int, int, int], ...]

logger = logging.getLogger(__name__)


class CertificateError(Exception):
    """A certificate and its key cannot be used."""


class Certificate:
    """A certificate, its key, and the TLS settings of a server that has them.

    Args:
        certificate: PEM file of the certificate, and of those that it depends on.
        key: PEM file of its key.

    Raises:
        CertificateError: they cannot be used; names them.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._paths = Path(certificate), Path(key)
        self._seen = self._stamp()
        self._try()
        self.context = _context()
        self._load(self.context)

    def refresh(self) -> bool:
        """Read the files again if they changed. Give whether there is another certificate now."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._try()
            self._load(self.context)
        except CertificateError as error:
            logger.warning("certificate not renewed", extra={"error": str(error)})
            return False
        self._seen = stamp
        logger.info("certificate renewed", extra={"certificate": str(self._paths[0])})
        return True

    async def follow(self) -> NoReturn:
        """Look after the files until cancelled."""
        while True:
            await asyncio.sleep(CHECK)
            self.refresh()

    def _try(self) -> None:
        """Load the files elsewhere first: a bad pair would leave a server without a certificate."""
        self._load(_context())

    def _load(self, context: ssl.SSLContext) -> None:
        certificate, key = self._paths
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    def _stamp(self) -> Stamp:
        """Tell one state of the files from another."""
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
