"""The identity of a call: the key under which the journal records it, and its idempotency key.

1. A key is `task name/hash of the arguments/which such call`. Arguments are bound to their
   parameters first, so that it does not matter whether one is passed by name. A parameter that is
   not passed is left out, so that a new one with a default changes no key.
2. Only the hash is kept: arguments may be large or secret.
3. 10.0 and 10 are one argument, because a value of the store may change from one to the other.
4. An idempotency key is a UUID, because many systems take no longer text.
"""

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson

from grctl.json.serialization import NotJsonError, to_json
from grctl.models.wire import Execution

HASH_LENGTH = 12
"""Hexadecimal digits: two calls of one handler have the same once in 10 billion handlers."""
LARGEST_EXACT_FLOAT_SIZE = 2**53
UNHASHED = "-"
"""Stands for the hash where there are no arguments, or none that are JSON."""


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The call of a task that runs now.

    Attributes:
        name: Name of the task.
        attempt: 1, and one more for each attempt at this call that failed.
        idempotency_key: A UUID, the same in every attempt at this call and for nothing else. Pass
            it to other systems, so that they do something once.
    """

    name: str
    attempt: int
    idempotency_key: str


@dataclass(slots=True)
class _Running:
    task: CurrentTask
    numbers: Counter[str] = field(default_factory=Counter)
    """How many calls of other tasks it made, by their keys without the number."""


_running: ContextVar[_Running | None] = ContextVar("grctl_task", default=None)
"""The call of a task that runs, also in the asyncio tasks that it starts."""


def current_task() -> CurrentTask:
    """Return the call of a task that runs now.

    Raises:
        LookupError: no task runs here.

    Example:
        >>> @task
        ... async def charge(order_id: str, amount: int) -> str:
        ...     return await payments.charge(amount, key=current_task().idempotency_key)
    """
    running = _running.get()
    if running is None:
        raise LookupError("current_task() is for the function of a task; none runs here.")
    return running.task


def is_in_task() -> bool:
    """Return whether a task runs here."""
    return _running.get() is not None


@contextmanager
def running_task(task: CurrentTask) -> Iterator[None]:
    """Make a call of a task the current one."""
    token = _running.set(_Running(task))
    try:
        yield
    finally:
        _running.reset(token)


def nested_key(name: str, fingerprint: str) -> str:
    """Return the idempotency key of a call that the function of another task makes.

    Outside of tasks and handlers, each call has a new key.
    """
    outer = _running.get()
    if outer is None:
        return str(uuid4())
    return idempotency_key(
        outer.task.idempotency_key, number_call(outer.numbers, name, fingerprint)
    )


def number_call(numbers: Counter[str], name: str, fingerprint: str) -> str:
    """Return the key of the next call of a task with such arguments."""
    stem = f"{name}/{fingerprint}"
    numbers[stem] += 1
    return f"{stem}/{numbers[stem]}"


def name_of(key: str) -> str:
    """Return the name of the task that a key belongs to."""
    return key.split("/", 1)[0]


def handler_key(execution: Execution) -> str:
    """Return the idempotency key of a handler: the same in every attempt, and for nothing else."""
    return f"{execution.run_uid}-{execution.event_uid or execution.commits}"


def idempotency_key(scope: str, key: str) -> str:
    """Return the idempotency key of a call.

    Args:
        scope: The key of the handler, or of the call, that makes it.
        key: The key of the call in the journal.
    """
    return str(UUID(bytes=digest(f"{scope}/{key}")[:16], version=5))


def digest(text: str) -> bytes:
    """Return 32 bytes that depend on the whole text."""
    return hashlib.sha256(text.encode()).digest()


def fingerprint_of(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str:
    """Return the hash of a call's arguments.

    Raises:
        TypeError: they do not fit the function's parameters.
        NotJsonError: one of them is not JSON; names it, and says what to do.
    """
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"task {name}{signature}: {error}") from None
    try:
        json = {key: to_json(value, f"{key!r}") for key, value in bound.items()}
    except NotJsonError as error:
        raise NotJsonError(
            f"Task {name} is recorded under its arguments as JSON, but {str(error).rstrip('.')}."
            " Pass JSON, or define it with @task(record=False): then it runs again in each attempt"
            " at the handler."
        ) from None
    return hashlib.sha256(dumps_canonical(json)).hexdigest()[:HASH_LENGTH]


def dumps_canonical(json: Any) -> bytes:
    """Write JSON so that equal values have one text."""
    return orjson.dumps(_canonical(json), option=orjson.OPT_SORT_KEYS)


def _canonical(json: Any) -> Any:
    if isinstance(json, dict):
        return {key: _canonical(each) for key, each in json.items()}
    if isinstance(json, list):
        return [_canonical(each) for each in json]
    if isinstance(json, float) and json.is_integer() and abs(json) < LARGEST_EXACT_FLOAT_SIZE:
        return int(json)
    return json
