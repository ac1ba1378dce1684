"""The dispatcher's certificate, seen by connecting to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from grctl_operator.runtime.workers.certificate import Certificate, CertificateError
from tests.pem import Pair, write_pair

Shown = bytes | None


def certificate(pair: Pair) -> Certificate:
    return Certificate(str(pair.certificate), str(pair.key))


@asynccontextmanager
async def serving(served: Certificate) -> AsyncIterator[int]:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def shown(port: int) -> Shown:
    """Connect and return the certificate that is shown."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anybody)
    found: Shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return found


def in_file(pair: Pair) -> Shown:
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text(encoding="ascii"))


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    served = certificate(write_pair(tmp_path, "operator"))
    async with serving(served) as port:
        before = await shown(port)
        renewed = in_file(write_pair(tmp_path, "operator"))
        assert served.refresh()
        assert await shown(port) == renewed != before


async def test_files_that_did_not_change_are_left_alone(tmp_path: Path) -> None:
    assert not certificate(write_pair(tmp_path, "operator")).refresh()


async def test_a_swapped_link_above_the_files_is_noticed(tmp_path: Path) -> None:
    """As with the kubelet: tls.crt -> ..data/tls.crt, ..data -> a directory of one version."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        write_pair(tmp_path / version, "operator")
    data = tmp_path / "..data"
    data.symlink_to("one")
    served = certificate(Pair(data / "tls.crt", data / "tls.key"))
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(data)
    assert served.refresh()


async def test_a_certificate_without_its_key_changes_nothing(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "operator")
    served, key = certificate(pair), pair.key.read_bytes()
    async with serving(served) as port:
        before = await shown(port)
        write_pair(tmp_path, "operator")
        fitting = pair.key.read_bytes()
        pair.key.write_bytes(key)  # the new certificate is there, its key not yet
        assert not served.refresh()
        assert await shown(port) == before
        pair.key.write_bytes(fitting)
        assert served.refresh()
        assert await shown(port) == in_file(pair)


async def test_files_that_are_gone_for_a_moment_change_nothing(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "operator")
    served = certificate(pair)
    pair.certificate.unlink()
    assert not served.refresh()


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"/nowhere/tls\.crt and the key .* cannot be used"):
        Certificate("/nowhere/tls.crt", "/nowhere/tls.key")
