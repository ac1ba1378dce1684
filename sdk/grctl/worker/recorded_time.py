"""ctx.now and ctx.sleep: time that is recorded, so that it is the same in each attempt.

1. `now` is recorded lazily, as the result of a task is.
2. The end of a sleep is durable before it begins, so that a new attempt sleeps the rest. An entry
   that says until when is not final: a sleep that the handler cancels is recorded as cancelled, and
   then the next attempt waits there until it cancels it again.
3. Both begin as tasks do: after the barrier, and only if they do not come from other code.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.arguments import wrong_type
from grctl.models.base import LONGEST_DURATION
from grctl.models.journal import Entry
from grctl.worker.call_identity import UNHASHED
from grctl.worker.claiming import claim
from grctl.worker.execution_clock import CLOCK_ERROR_S, read_moment, write_moment
from grctl.worker.journal import HandlerJournal

NOW = "ctx.now"
SLEEP = "ctx.sleep"


async def recorded_now(journal: HandlerJournal | None) -> datetime:
    """Return the present time; in a further attempt, the time that the first one was given."""
    if journal is None or not journal.has_recorder:
        return journal.clock.now() if journal else datetime.now(UTC)
    key = journal.number(NOW, UNHASHED)
    entry = await claim(journal, key)
    if entry is None:
        with journal.room_for(f"{NOW}()"):
            await journal.wait_at_barrier()
            time = write_moment(journal.clock.now())
            entry = journal.get(key) or journal.record(key, {"ok": time, "n": 1, "at": time})
    journal.on_seen(key)
    return read_moment(entry.get("ok")) or journal.clock.now()


async def recorded_sleep(journal: HandlerJournal | None, duration: timedelta | float) -> None:
    """Sleep; in a further attempt, for the rest.

    Raises:
        TypeError: the duration is neither a timedelta nor a number of seconds.
        ValueError: it is negative, not finite or too long.
    """
    seconds = _seconds(duration)
    if journal is None or not journal.has_recorder:
        await (journal.sleep if journal else asyncio.sleep)(seconds)
        return
    key = journal.number(SLEEP, f"{seconds:g}s")
    entry = await claim(journal, key)
    try:
        if entry is None:
            entry = await _begin_sleep(journal, key, seconds)
        await _sleep_on(journal, entry, seconds)
    except asyncio.CancelledError:
        if not journal.is_ending:
            journal.record(key, {"cancelled": True, "at": write_moment(journal.clock.now())})
            journal.open_ends.on_cancelled(key)
        raise
    finally:
        journal.on_seen(key)


async def _sleep_on(journal: HandlerJournal, entry: Entry, seconds: float) -> None:
    """Sleep for the rest. A sleep that the handler cancelled waits until it is cancelled again."""
    if "cancelled" in entry:
        await asyncio.get_running_loop().create_future()
    end = read_moment(entry.get("until"))
    await journal.sleep(min(journal.clock.until(end), seconds) if end else seconds)


async def _begin_sleep(journal: HandlerJournal, key: str, seconds: float) -> Entry:
    """Make the end of a sleep durable. Return the entry that counts."""
    with journal.room_for(f"{SLEEP}()"):
        await journal.wait_at_barrier()
        now = journal.clock.now()
        until = write_moment(now + timedelta(seconds=seconds + CLOCK_ERROR_S))
        entry: Entry = {"until": until, "at": write_moment(now)}
        journal.record(key, entry, urgent=True)
        await journal.wait_at_barrier()
        return journal.get(key) or entry


def _seconds(duration: Any) -> float:
    """Return a duration in seconds."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        seconds = float(duration)
    else:
        raise wrong_type("duration", duration, "a timedelta or a number of seconds")
    if not 0 <= seconds <= LONGEST_DURATION.total_seconds():  # NaN too
        raise ValueError(
            f"duration must be 0 to {LONGEST_DURATION.days} days, not {duration!r}. For more than"
            " minutes, end the handler with `ctx.next.step(..., after=...)`: then nothing runs"
            " meanwhile."
        )
    return seconds
