"""The formats of strings."""

import pytest

from grctl_local.schema.formats import FORMATS


@pytest.mark.parametrize(
    ("name", "text", "fits"),
    [
        ("date-time", "2026-01-02T03:04:05Z", True),
        ("date-time", "2026-01-02T03:04:05.123456+01:00", True),
        ("date-time", "2026-01-02T03:04:05", False),
        ("date-time", "2026-13-02T03:04:05Z", False),
        ("date-time", "2026-01-02", False),
        ("date", "2026-01-02", True),
        ("date", "2026-02-30", False),
        ("duration", "1h30m", True),
        ("duration", "90", False),
        ("byte", "aGk=", True),
        ("byte", "a?", False),
        ("ipv4", "10.0.0.1", True),
        ("ipv4", "10.0.0.256", False),
        ("ipv6", "::1", True),
        ("cidr", "10.0.0.0/8", True),
        ("uuid", "3fc38a60-d3c3-4407-8037-1de709b6385a", True),
        ("uuid", "3fc38a60", False),
        ("email", "a@example.com", True),
        ("email", "a", False),
        ("hostname", "a.example.com", True),
        ("hostname", "a_b", False),
        ("uri", "https://example.com/x", True),
        ("uri", "example", False),
    ],
)
def test_a_text_fits_its_format_or_not(name: str, text: str, fits: bool) -> None:
    assert FORMATS[name](text) is fits
