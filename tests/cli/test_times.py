from datetime import UTC, datetime, timedelta

import pytest
import typer

from grctl.cli.times import age, length, moment, read_length

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("of", "written"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=59.9), "59s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(hours=23, minutes=55, seconds=7), "23h55m"),
        (timedelta(days=3, minutes=5), "3d"),
    ],
)
def test_a_length_is_written_in_its_two_largest_units(of: timedelta, written: str) -> None:
    assert length(of) == written


def test_a_time_in_the_future_has_the_age_zero() -> None:
    assert age(NOON + timedelta(seconds=2), NOON) == "0s"
    assert age(None, NOON) == ""


def test_a_moment_is_written_with_its_distance_from_now() -> None:
    assert moment(NOON, NOON + timedelta(hours=2)) == "2026-11-23 12:00:00 UTC (2h ago)"
    assert moment(NOON, NOON - timedelta(hours=2)) == "2026-11-23 12:00:00 UTC (in 2h)"


def test_a_length_is_read_as_kubernetes_writes_it() -> None:
    assert read_length("1h30m", "--timeout") == timedelta(hours=1.5)
    assert read_length(None, "--timeout") is None
    with pytest.raises(typer.BadParameter, match="'30' is not a duration; write it like 90s"):
        read_length("30", "--timeout")
