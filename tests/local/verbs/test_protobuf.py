"""Protobuf bodies."""

import pytest

from grctl_local.errors import StatusError
from grctl_local.verbs.protobuf import MAGIC, decode


def part(number: int, content: bytes) -> bytes:
    """Return a field of bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def body(kind: str, raw: bytes) -> bytes:
    """Return an object in its envelope."""
    return MAGIC + part(1, part(1, b"v1") + part(2, kind.encode())) + part(2, raw)


METADATA = part(1, part(1, b"c") + part(3, b"ns") + part(11, part(1, b"k") + part(2, b"v")))


def test_a_config_map_is_read() -> None:
    raw = METADATA + part(2, part(1, b"key") + part(2, b"value")) + b"\x20\x01"

    assert decode(body("ConfigMap", raw)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "ns", "labels": {"k": "v"}},
        "data": {"key": "value"},
        "immutable": True,
    }


def test_bytes_become_base64() -> None:
    raw = METADATA + part(2, part(1, b"key") + part(2, b"\xff"))

    assert decode(body("Secret", raw))["data"] == {"key": "/w=="}


def test_unknown_fields_are_ignored() -> None:
    raw = METADATA + part(15, b"later")

    assert decode(body("Namespace", raw))["metadata"]["name"] == "c"


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"k8s\0",
        b"text",
        body("Pod", METADATA),
        body("Namespace", METADATA[:-3]),
        body("Namespace", METADATA)[:-2],
    ],
)
def test_a_body_that_cannot_be_read_is_refused(wrong: bytes) -> None:
    with pytest.raises(StatusError, match="send JSON") as refused:
        decode(wrong)
    assert refused.value.code == 400
