"""The retry of a handler that raised: a further attempt as its policy says, then fail or hold.

1. An attempt that is tried again is not committed: the event stays at the head of the inbox, the
   store is unchanged, and the journal is kept, so that finished tasks do not run again.
2. After the last attempt the worker's `on_failure` decides: the run fails (see `commit`), or its
   handler is held (see `stall`).
3. An attempt whose code does not fit what is recorded is a misfit. It is tried again with a
   back-off, as in a rolling update another worker may fit; after the fifth misfit it is held.
4. A failure counts once, and only if no other attempt at the handler may still bring an outcome.
5. The delay is computed from the run and the attempt, never drawn: same input, same Decision.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zlib import crc32

from grctl.models.reasons import RunReason
from grctl.models.retry_policy import RetryPolicy
from grctl.models.run import RunError, Stall
from grctl.models.wire import Failed, Outcome, Refused
from grctl_operator.engine.decision import Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler, step_counted_for, step_of
from grctl_operator.engine.journal import entries_for, journal_of
from grctl_operator.engine.observation import Held, round_up
from grctl_operator.engine.recording import attempts_at, release_once_recorded
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.stall import announce_stall, make_stall
from grctl_operator.engine.task_message import count_times, shorten
from grctl_operator.engine.versions import at_work, is_open, is_refusal

MAX_MISFITS_PER_HANDLER = 5
"""Attempts with code that does not fit. With their back-off they take some seconds."""
MILLISECOND = timedelta(milliseconds=1)
VOID = "it does not count: the handler is tried again, or held"
BUILT_ON_VOID = "the handler before it is tried again, or held"
FOLLOWED = "another attempt follows it"


def is_uncommitted(situation: Situation, held: Held) -> bool:
    """Return whether an outcome is not committed: its handler is tried again, or held."""
    outcome = held.outcome
    if outcome is None or not isinstance(outcome.result, Failed | Refused):
        return False
    if is_misfit(situation, outcome):
        return True
    failed = outcome.result
    return isinstance(failed, Failed) and (
        failed.on_failure == "hold" or _has_attempts_left(situation, outcome, failed)
    )


def is_misfit(situation: Situation, outcome: Outcome) -> bool:
    """Return whether an attempt ran code that does not fit what is recorded.

    A payload that bound when the handler began is refused only by other code.
    """
    if isinstance(outcome.result, Failed) and outcome.result.reason == RunReason.NON_DETERMINISTIC:
        return True
    recorded = entries_for(situation.run.status, outcome.execution.event_uid)
    return is_refusal(outcome) and bool(recorded)


def retry_failed(situation: Situation, draft: Draft) -> bool:
    """Write a further attempt at a handler that raised, or hold it."""
    due = due_handler(situation, draft)
    failed = _failed_attempts(situation, due) if due else []
    if due is None or not failed:
        return False
    latest = max(failed, key=lambda held: held.execution.attempt)
    if _others_run(situation, failed) or not due.is_latest(latest.execution):
        for held in failed:
            release_once_recorded(situation, draft, held, FOLLOWED)
        draft.wake(situation.now)
        return False
    _forget_entries(situation, draft, due, latest)
    _count(situation, draft, due, latest)
    draft.after += _void_behind(situation, failed)  # before those they were built on
    draft.after += [Release(held.execution.id, False, VOID) for held in failed]
    return True


def _void_behind(situation: Situation, failed: Sequence[Held]) -> list[Release]:
    """Return the releases of what was handed over ahead behind attempts that do not commit."""
    void: set[str | None] = {held.execution.id for held in failed}
    behind = []
    for execution in (held.execution for held in situation.in_flight):
        if execution.base in void:
            void.add(execution.id)
            behind.append(Release(execution.id, False, BUILT_ON_VOID))
    return behind


def _failed_attempts(situation: Situation, due: Due) -> list[Held]:
    return [
        held
        for held in attempts_at(situation, due)
        if situation.is_in_flight(held)
        and is_uncommitted(situation, held)
        and not is_open(situation, held)
    ]


def _others_run(situation: Situation, failed: Sequence[Held]) -> bool:
    """Return whether another attempt at the same handler may still bring an outcome."""
    running = (held for held in at_work(situation) if held not in failed)
    return any(situation.is_current(held.execution) for held in running)


def _forget_entries(situation: Situation, draft: Draft, due: Due, held: Held) -> None:
    """Remove the entries that the next attempt does again: it would read the same error.

    A misfit removes nothing, because the code that fits goes on from what is recorded.
    """
    result = held.outcome.result if held.outcome else None
    misfit = held.outcome is not None and is_misfit(situation, held.outcome)
    keys = result.forget if isinstance(result, Failed) and not misfit else ()
    known = entries_for(draft.status, due.event_uid)
    kept = {key: entry for key, entry in known.items() if key not in keys}
    if len(kept) < len(known):
        draft.change(journal=journal_of(due.event_uid, kept) if kept else None)


def _count(situation: Situation, draft: Draft, due: Due, held: Held) -> None:
    """Write that an attempt does not count, and what comes next."""
    match held.outcome:
        case Outcome() as outcome if is_misfit(situation, outcome):
            _count_misfit(situation, draft, due, outcome)
        case Outcome(result=Failed() as failed) as outcome:
            _count_failure(situation, draft, due, outcome, failed)


def _count_failure(
    situation: Situation, draft: Draft, due: Due, outcome: Outcome, failed: Failed
) -> None:
    failures = due.failures + 1
    error = text_of_error(failed.error)
    if _has_attempts_left(situation, outcome, failed):
        not_before = _next_attempt_at(situation, due, failed.policy, failures)
        most = failed.policy.attempts if failed.policy else failures
        when = f"at {not_before:%H:%M:%SZ}" if not_before else "at once"
        text = f"{due.name} failed {failures} of {most} times ({error}); next attempt {when}."
        draft.announce(RunReason.RETRYING, text, warning=True)
        _write(situation, draft, due, None, failures=failures, not_before=not_before, error=error)
        return
    text = f"{due.name} failed {count_times(failures)} ({error})"
    stall = make_stall(situation, RunReason.HANDLER_FAILED, text, "Mend the cause")
    _write(situation, draft, due, stall, failures=failures)


def _count_misfit(situation: Situation, draft: Draft, due: Due, outcome: Outcome) -> None:
    misfits, result = due.misfits + 1, outcome.result
    error = text_of_error(result.error) if isinstance(result, Failed) else ""
    if isinstance(result, Refused):
        error = f"its payload does not fit any more: {shorten(result.message)}"
    text = f"{due.name} ran code that does not fit what is recorded ({error})"
    if misfits < MAX_MISFITS_PER_HANDLER:
        draft.announce(RunReason.NON_DETERMINISTIC, f"{text}; it is tried again.", warning=True)
        _write(situation, draft, due, None, misfits=misfits, error=error)
        return
    cure = "Deploy the version that fits"
    stall = make_stall(situation, RunReason.NON_DETERMINISTIC, text, cure)
    _write(situation, draft, due, stall, misfits=misfits)


def _write(
    situation: Situation,
    draft: Draft,
    due: Due,
    stall: Stall | None,
    *,
    error: str | None = None,
    **counts: object,
) -> None:
    attempt = due.attempt if stall else due.attempt + 1
    since = round_up(situation.now)
    fields = {"not_before": None, "attempt": attempt, "since": since, "stall": stall} | counts
    draft.write_first(step=step_of(draft, due, last_error=error, **fields))
    draft.is_awaited = True  # its event counts as handed over until the attempt is released
    if stall:
        announce_stall(draft, due, stall)


def _has_attempts_left(situation: Situation, outcome: Outcome, failed: Failed) -> bool:
    if failed.policy is None:
        return False
    step = step_counted_for(situation.run.status.step, outcome.execution)
    before = (step.failures or 0) if step else 0
    return before + 1 < failed.policy.attempts


def _next_attempt_at(
    situation: Situation, due: Due, policy: RetryPolicy | None, failures: int
) -> datetime | None:
    """Return when the next attempt may begin, in milliseconds rounded up; None: at once."""
    delay_ms = policy.delay_ms(failures, _part(situation, due)) if policy else 0
    if delay_ms <= 0:
        return None
    moment = situation.now + timedelta(milliseconds=delay_ms)
    micros = moment.microsecond % 1000
    return moment + (MILLISECOND - timedelta(microseconds=micros) if micros else timedelta(0))


def _part(situation: Situation, due: Due) -> float:
    """Return a number from 0 to 1 that differs between runs and attempts: it picks the jitter."""
    run = situation.run
    return crc32(f"{run.metadata.uid}/{run.status.commits}/{due.attempt}".encode()) / (2**32 - 1)


def text_of_error(error: RunError) -> str:
    """Return type and message of an error, cut to what a message for people has room for."""
    return shorten(f"{error.type}: {error.message}")
