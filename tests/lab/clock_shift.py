"""The API server's clock as a client sees it whose own clock is wrong by minutes.

Only root can set a clock wrong. So every time that the API server sends is shifted for the client,
and every time that the client sends is shifted back: the `Date` of each answer, and each timestamp
in each object. The difference between the two clocks is then always the same.
"""

import re
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

STAMP = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
"""The beginning of a JSON string that is a time; fractions and the zone may follow."""


def shift_times(text: bytes, by: timedelta) -> bytes:
    """Return a JSON text with each time shifted; the length stays the same."""
    if not by:
        return text
    return STAMP.sub(lambda found: b'"' + _shift(found[1], by), text)


def shift_date(date: str, by: timedelta) -> str:
    """Return the `Date` of an answer, shifted."""
    return format_datetime(parsedate_to_datetime(date) + by, usegmt=True)


def _shift(stamp: bytes, by: timedelta) -> bytes:
    return (datetime.fromisoformat(stamp.decode()) + by).isoformat().encode()
