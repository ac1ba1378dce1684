"""The formats of strings that a schema can name. An unknown format allows every string."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

import durationpy

from grctl_local.clock import parse_timestamp

DATE_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
UUID = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE
)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
HOSTNAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*)?)*")


def _date_time(text: str) -> bool:
    return bool(DATE_TIME.fullmatch(text)) and parse_timestamp(text.upper()) is not None


def _raises_nothing(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except (ValueError, binascii.Error, durationpy.DurationError):
        return False
    return True


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    return lambda text: _raises_nothing(read, text)


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": _reads(date.fromisoformat),
    "duration": _reads(durationpy.from_str),
    "byte": _reads(lambda text: base64.b64decode(text, validate=True)),
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "cidr": _reads(lambda text: ipaddress.ip_network(text, strict=False)),
    "uuid": lambda text: bool(UUID.fullmatch(text)),
    "email": lambda text: bool(EMAIL.fullmatch(text)),
    "hostname": lambda text: bool(HOSTNAME.fullmatch(text)),
    "uri": lambda text: bool(urlsplit(text).scheme),
}
