"""Call the function of a task: attempts, time limits, pauses, and what is recorded of them.

1. A failed attempt is recorded with the time of the next one. So a later attempt at the handler
   goes on counting, and sleeps the rest of the pause.
2. A cancellation is never tried again. If the handler cancelled the call (a race, a time limit of
   its own), that is recorded, and the next attempt at the handler waits there until it cancels the
   call again. If the execution itself is cancelled, nothing is recorded.
3. A result that comes after another attempt recorded the call gives way to that record.
4. The log has the task's name, the attempt and the call's key, never arguments or results.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.logs.loggers import get_logger
from grctl.models.base import write_duration
from grctl.models.journal import Entry, is_final
from grctl.models.retry_policy import RetryPolicy
from grctl.worker.call_identity import CurrentTask, running_task
from grctl.worker.chance import fraction_of
from grctl.worker.claiming import claim
from grctl.worker.execution_clock import CLOCK_ERROR_S, read_moment, write_moment
from grctl.worker.failure import type_name
from grctl.worker.journal import HandlerJournal
from grctl.worker.logs import fields_of
from grctl.worker.replay import (
    describe_error,
    error_entry,
    error_of,
    result_entry,
    value_of,
)
from grctl.worker.task_errors import TaskInterruptedError

logger = get_logger(__name__)

NO_RETRY = RetryPolicy(max_attempts=1)
TASK_RESULTS = ("succeeded", "failed", "cancelled", "replayed")
ATTEMPTS = "attempts"
"""In the counts beside TASK_RESULTS: how often a function of a task was called."""


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What `@task(...)` says about a task."""

    retry_policy: RetryPolicy = NO_RETRY
    timeout: timedelta | None = None
    once: bool = False
    record: bool = True


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A call of a task in a handler.

    Attributes:
        name: Name of the task.
        key: Its key in the journal.
        idempotency_key: See `CurrentTask`.
        options: What is said about the task.
        function: Calls the task's function.
        adapter: Makes a result of its JSON; None if that is JSON itself.
        journal: The journal of the handler.
    """

    name: str
    key: str
    idempotency_key: str
    options: TaskOptions
    function: Callable[[], Awaitable[Any]]
    adapter: TypeAdapter[Any] | None
    journal: HandlerJournal

    async def recorded(self) -> Any:
        """Return the result of the call, from the journal if it has one.

        Raises:
            BaseException: the error of the call.
            NonDeterministicError: the handler runs other code than earlier attempts.
            TooLargeError: the journal has no room for it.
        """
        entry = await claim(self.journal, self.key)
        if entry is not None and is_final(entry):
            self._count("replayed")
            return await self._hand_over(entry)
        with self.journal.room_for(f"Task {self.name}"):
            try:
                entry, cause = await self._perform()
            except asyncio.CancelledError:
                self._note_cancelled()
                raise
        self._count(_result(entry))
        return await self._hand_over(entry, cause)

    async def unrecorded(self) -> Any:
        """Return the result of the call, which is tried again as its policy says.

        Raises:
            BaseException: the error of the last attempt.
        """
        attempt = 0
        while True:
            self.journal.check()
            attempt += 1
            try:
                value = await self._attempt(attempt)
            except Exception as error:
                if not self._goes_on(error, attempt):
                    self._count("failed")
                    raise
                self._log_retry(error, attempt)
                await self.journal.sleep(self._delay_s(attempt))
            else:
                self._count("succeeded")
                return value

    async def _perform(self) -> tuple[Entry, BaseException | None]:
        """Call the function until it succeeds or no attempts are left.

        Return the final entry that counts, and the error that it stands for.
        """
        error_s = CLOCK_ERROR_S  # until an attempt of this execution has failed
        while True:
            await self._wait_for_next_attempt(error_s)
            entry = self.journal.get(self.key)
            if self.options.once and (entry is None or not is_final(entry)):
                entry = await self._begin_once()
            if entry is not None and is_final(entry):
                return entry, None
            attempt = _failed(entry) + 1
            made, error = await self._attempt_to_entry(attempt)
            error_s = 0.0
            counts = self.journal.record(self.key, made, urgent=not is_final(made))
            if is_final(counts):
                return counts, error if counts is made else None

    async def _wait_for_next_attempt(self, error_s: float) -> None:
        """Wait for the rest of the pause after a failed attempt, and at the barrier.

        Args:
            error_s: How much the clock that recorded the pause may be behind this one, in seconds.
        """
        entry = self.journal.get(self.key)
        if entry is not None and (moment := read_moment(entry.get("next"))) is not None:
            longest = self.options.retry_policy.delay_ms(_failed(entry), 1.0) / 1000
            await self.journal.sleep(min(self.journal.clock.until(moment) + error_s, longest))
        await self.journal.wait_at_barrier()

    async def _begin_once(self) -> Entry | None:
        """Make the beginning durable. Return the final entry of the call if there is one.

        If another attempt at the handler began the call, that is an error.
        """
        ours = self.journal.execution.id
        begun = {"begun": ours, "at": self._now()}
        self.journal.record(self.key, begun, urgent=True)
        await self.journal.wait_at_barrier()
        entry = self.journal.get(self.key) or begun
        if is_final(entry) or entry.get("begun") == ours:
            return entry if is_final(entry) else None
        error = TaskInterruptedError(
            f"Task {self.name} (once=True) began in an earlier attempt, at {entry.get('at')}. It is"
            " not known whether it ended, so it does not run again. Find out what it did."
        )
        made = error_entry(error, 1, self.journal.clock.now())
        self.journal.record(self.key, made, urgent=True)
        await self.journal.wait_at_barrier()
        return self.journal.get(self.key)

    async def _attempt_to_entry(self, attempt: int) -> tuple[Entry, BaseException | None]:
        """Call the function once. Return the entry of its end, and its error."""
        before = _cancellations()
        try:
            value = await self._attempt(attempt)
        except asyncio.CancelledError as error:
            if self.journal.is_ending or _cancellations() > before:
                raise
            return self._entry_of_failure(error, attempt), error
        except Exception as error:  # noqa: BLE001  whatever the user's function raises
            return self._entry_of_failure(error, attempt), error
        now = self.journal.clock.now()
        try:
            entry = result_entry(self.name, value, attempt, now)
            self.journal.check_fits(self.key, entry)
        except (NotJsonError, TooLargeError) as error:
            return error_entry(error, attempt, now), error
        return entry, None

    async def _attempt(self, attempt: int) -> Any:
        """Call the function once, within its time limit."""
        self.journal.counts[ATTEMPTS] += 1
        self.journal.running_count += 1
        limit = self.options.timeout
        try:
            with running_task(CurrentTask(self.name, attempt, self.idempotency_key)):
                async with asyncio.timeout(limit.total_seconds() if limit else None) as timer:
                    return await self.function()
        except TimeoutError as error:
            if not timer.expired():
                raise
            limited = write_duration(limit or timedelta(0))
            raise TimeoutError(f"{self.name} took longer than {limited}") from error
        finally:
            self.journal.running_count -= 1

    def _entry_of_failure(self, error: BaseException, attempt: int) -> Entry:
        now = self.journal.clock.now()
        if not self._goes_on(error, attempt):
            logger.warning("task failed", extra=self._fields(attempt, error))
            return error_entry(error, attempt, now)
        self._log_retry(error, attempt)
        return {
            "failed": attempt,
            "of": self.options.retry_policy.attempts,
            "error": describe_error(error),
            "next": write_moment(now + timedelta(seconds=self._delay_s(attempt))),
            "at": write_moment(now),
        }

    def _goes_on(self, error: BaseException, attempt: int) -> bool:
        """Return whether a failed attempt is followed by another one."""
        policy = self.options.retry_policy
        return isinstance(error, Exception) and attempt < policy.attempts and policy.retries(error)

    def _delay_s(self, attempt: int) -> float:
        chance = fraction_of(f"{self.idempotency_key}/{attempt}")
        return self.options.retry_policy.delay_ms(attempt, chance) / 1000

    async def _hand_over(self, entry: Entry, cause: BaseException | None = None) -> Any:
        """Return the value of a final entry, raise its error, or wait to be cancelled again."""
        journal = self.journal
        journal.on_seen(self.key, entry.get("n", 1))
        if "cancelled" in entry:
            await self._wait_for_cancellation()
        if "error" not in entry:
            return value_of(self.name, entry, self.adapter)
        error = error_of(self.name, entry)
        if not self.options.once:
            journal.open_ends.on_error(self.key, error)
        raise error from cause

    async def _wait_for_cancellation(self) -> None:
        """Wait until the handler cancels the call, as it did in an earlier attempt."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.journal.open_ends.on_cancelled(self.key)

    def _note_cancelled(self) -> None:
        """Record that the handler cancelled the call, unless the execution itself is cancelled."""
        if self.journal.is_ending:
            return
        self._count("cancelled")
        entry = self.journal.record(self.key, {"cancelled": True, "at": self._now()})
        self.journal.on_seen(self.key, entry.get("n", 1))
        if not self.options.once:
            self.journal.open_ends.on_cancelled(self.key)

    def _count(self, result: str) -> None:
        self.journal.counts[result] += 1

    def _log_retry(self, error: BaseException, attempt: int) -> None:
        extra = self._fields(attempt, error) | {"delay_s": round(self._delay_s(attempt), 3)}
        logger.warning("task failed, trying again", extra=extra)

    def _fields(self, attempt: int, error: BaseException) -> dict[str, Any]:
        return {
            **fields_of(self.journal.execution),
            "task": self.name,
            "task_attempt": attempt,
            "key": self.key,
            "error": type_name(error),
        }

    def _now(self) -> str:
        return write_moment(self.journal.clock.now())


def _result(entry: Entry) -> str:
    """Return which of TASK_RESULTS a final entry is."""
    if "cancelled" in entry:
        return "cancelled"
    return "failed" if "error" in entry else "succeeded"


def _failed(entry: Entry | None) -> int:
    """Return how many attempts at a call failed, as its entry says."""
    count = (entry or {}).get("failed", 0)
    return count if isinstance(count, int) else 0


def _cancellations() -> int:
    """Return how often the present asyncio task was cancelled."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
