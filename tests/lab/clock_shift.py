"""Times: the API server's clock as somebody reads it whose own clock is wrong by minutes.

Nobody can be given a wrong clock without being root; so all that the API server says of the time is
translated for him, and all that he says to it is translated back: the `Date` of each answer, and
each timestamp in each object. Between his clock and the API server's it is the same difference.
"""

import re
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

STAMP = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
"""How a JSON string of a time begins; fractions and the zone may follow."""


def translated(text: bytes, by: timedelta) -> bytes:
    """Move each time in a JSON text; its length stays."""
    if not by:
        return text
    return STAMP.sub(lambda found: b'"' + _moved(found[1], by), text)


def translated_date(date: str, by: timedelta) -> str:
    """Move the `Date` of an answer."""
    return format_datetime(parsedate_to_datetime(date) + by, usegmt=True)


def _moved(stamp: bytes, by: timedelta) -> bytes:
    return (datetime.fromisoformat(stamp.decode()) + by).isoformat().encode()
