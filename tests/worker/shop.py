"""Another system in a test: it counts what is called there, and breaks when it is told to."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from grctl.models import RetryPolicy
from grctl.worker.task import current_task, task

CALLED: Counter[str] = Counter()
"""How often each task was called, by its name and first argument."""
KEYS: list[tuple[str, int]] = []
"""The idempotency key and the attempt of each call."""
FAILURES: dict[str, list[BaseException]] = {}
"""The errors that the next calls raise, by the name of the task."""
GATES: dict[str, asyncio.Event] = {}
"""What a call waits for, by its name and first argument."""


class Receipt(BaseModel):
    id: str
    amount: int


class CardDeclinedError(Exception):
    pass


class LimitError(Exception):
    """Its text is not made of its argument alone."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"over {limit}")
        self.limit = limit


async def note_call(name: str, argument: Any) -> None:
    """Count a call, wait for its gate, and raise the next error."""
    await asyncio.sleep(0)  # as every call of another system does
    CALLED[f"{name} {argument}"] += 1
    KEYS.append((current_task().idempotency_key, current_task().attempt))
    if gate := GATES.get(f"{name} {argument}"):
        await gate.wait()
    if errors := FAILURES.get(name):
        raise errors.pop(0)


@task
async def charge(order: str, amount: int = 120) -> Receipt:
    await note_call("charge", order)
    return Receipt(id=f"r-{order}-{CALLED[f'charge {order}']}", amount=amount)


@task
async def mail(order: str) -> str:
    await note_call("mail", order)
    return f"mailed {order}"


@task
async def ship(order: str) -> str:
    await note_call("ship", order)
    return f"shipped {order}"


@task(
    retry_policy=RetryPolicy(
        max_attempts=3,
        initial_delay_ms=1000,
        backoff_multiplier=2.0,
        max_delay_ms=30_000,
        non_retryable_errors=("CardDeclinedError",),
    )
)
async def insist(order: str) -> str:
    await note_call("insist", order)
    return f"insisted {order}"


@task(timeout=timedelta(milliseconds=5))
async def hurry(order: str) -> str:
    await note_call("hurry", order)
    return f"hurried {order}"


@task(once=True)
async def fire(order: str) -> str:
    await note_call("fire", order)
    return f"fired {order}"


@task(record=False, retry_policy=RetryPolicy(max_attempts=2, initial_delay_ms=0))
async def look(order: Any) -> str:
    await note_call("look", order)
    return f"looked {order}"


def clear() -> None:
    """Forget all calls, errors and gates."""
    CALLED.clear()
    KEYS.clear()
    FAILURES.clear()
    GATES.clear()
