"""Times and ages in the text forms of Kubernetes."""

from datetime import UTC, datetime, timedelta

import pytest

from grctl_local.clock import human_duration, parse_timestamp, timestamp


@pytest.mark.parametrize(
    ("elapsed", "text"),
    [
        ({"seconds": 0}, "0s"),
        ({"seconds": 119}, "119s"),
        ({"seconds": 120}, "2m"),
        ({"minutes": 5, "seconds": 30}, "5m30s"),
        ({"minutes": 10, "seconds": 30}, "10m"),
        ({"minutes": 179}, "179m"),
        ({"hours": 3}, "3h"),
        ({"hours": 7, "minutes": 59}, "7h59m"),
        ({"hours": 47, "minutes": 59}, "47h"),
        ({"days": 2}, "2d"),
        ({"days": 7, "hours": 23}, "7d23h"),
        ({"days": 8, "hours": 5}, "8d"),
        ({"days": 729}, "729d"),
        ({"days": 800}, "2y70d"),
        ({"days": 3650}, "10y"),
        ({"seconds": -5}, "<invalid>"),
    ],
)
def test_an_age_has_two_units_at_most(elapsed: dict[str, float], text: str) -> None:
    assert human_duration(timedelta(**elapsed)) == text


def test_a_timestamp_is_rounded_down_to_the_second() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC)) == "2026-01-02T03:04:05Z"


def test_a_text_without_a_zone_is_not_a_time() -> None:
    assert parse_timestamp("2026-01-02T03:04:05") is None
    assert parse_timestamp("yesterday") is None
