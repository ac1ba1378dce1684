"""The server's clock, which tests can set, and the text forms of times and ages in Kubernetes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Return a time as it stands in `creationTimestamp`: whole seconds, rounded down."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime | None:
    """Return the time that an RFC 3339 text means, or None if the text is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def human_duration(elapsed: timedelta) -> str:
    """Return an age as kubectl prints it: two units at most, coarser ones for older objects."""
    seconds = int(elapsed.total_seconds())
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 180:
        return f"{minutes}m" if minutes >= 10 else _pair(minutes, "m", seconds % 60, "s")
    if hours < 48:
        return f"{hours}h" if hours >= 8 else _pair(hours, "h", minutes % 60, "m")
    return _days(hours // 24, hours)


def _days(days: int, hours: int) -> str:
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _pair(coarse: int, coarse_unit: str, fine: int, fine_unit: str) -> str:
    return f"{coarse}{coarse_unit}{fine}{fine_unit}" if fine else f"{coarse}{coarse_unit}"
