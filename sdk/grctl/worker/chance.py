"""Chance that is the same in each attempt at a handler: derived, and never written.

Whoever knows the run's uid can compute it, so it is not secret.
"""

from uuid import UUID

from grctl.worker.call_identity import digest

FLOAT_BITS_COUNT = 53


def derived_uuid(scope: str, number: int) -> UUID:
    """Return a UUID for the n-th call of `ctx.uuid4` in a handler.

    Args:
        scope: The idempotency key of the handler, which holds the uid of the run.
        number: Which call it is, from 1 on.
    """
    return UUID(bytes=digest(f"{scope}/uuid4/{number}")[:16], version=4)


def derived_random(scope: str, number: int) -> float:
    """Return a number from 0 up to, but not including, 1 for the n-th call of `ctx.random`."""
    return fraction_of(f"{scope}/random/{number}")


def fraction_of(text: str) -> float:
    """Return a number from 0 up to, but not including, 1 that depends on the whole text."""
    return (int.from_bytes(digest(text)[:8]) >> (64 - FLOAT_BITS_COUNT)) / (1 << FLOAT_BITS_COUNT)
