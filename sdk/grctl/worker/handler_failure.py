"""The failure of a handler: its reason, and what a further attempt does.

1. An error of a handler, and a time limit that passed, are tried again as the retry policy says.
   A value that cannot be kept is never tried again: the code must change first.
2. A handler that ran other code than earlier attempts fails with that, whatever it did afterwards.
   What is recorded stays: the next attempt may run the code that fits.
"""

from grctl.models.reasons import RunReason
from grctl.models.retry_policy import RetryPolicy
from grctl.models.wire import Failed
from grctl.worker.failure import failure_for, failure_of
from grctl.worker.journal import HandlerJournal
from grctl.worker.task_errors import HandlerTimedOut, NonDeterministicError
from grctl.workflow.handler import Handler

RETRIED_REASONS = (RunReason.HANDLER_FAILED.value, RunReason.HANDLER_TIMED_OUT.value)


def failure_of_handler(
    handler: Handler[...], journal: HandlerJournal, error: BaseException
) -> Failed:
    """Return the result of an execution whose handler raised an error, or took too long.

    Args:
        handler: The handler.
        journal: What it recorded.
        error: What it raised; HandlerTimedOut if it took too long.
    """
    if journal.error is not None:
        error = journal.error
    failed = _described(error)
    return failed.model_copy(
        update={
            "policy": _policy(handler.retry_policy, failed.reason, error),
            "on_failure": handler.on_failure,
            "forget": () if journal.error else journal.open_ends.keys_behind(error),
            "tasks": journal.summary(),
        }
    )


def policy_for_timeouts(handler: Handler[...]) -> RetryPolicy | None:
    """Return the retry policy of a handler if it tries an attempt again that took too long."""
    reason = RunReason.HANDLER_TIMED_OUT.value
    return _policy(handler.retry_policy, reason, HandlerTimedOut(handler.name))


def _described(error: BaseException) -> Failed:
    match error:
        case HandlerTimedOut():
            return failure_for(RunReason.HANDLER_TIMED_OUT, str(error))
        case NonDeterministicError():
            return failure_for(RunReason.NON_DETERMINISTIC, str(error))
    return failure_of(error)


def _policy(policy: RetryPolicy | None, reason: str, error: BaseException) -> RetryPolicy | None:
    """Return the retry policy if it tries an error again, as long as attempts are left."""
    if policy is None or reason not in RETRIED_REASONS or not isinstance(error, Exception):
        return None
    return policy if policy.retries(error) else None
