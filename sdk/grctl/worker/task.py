"""@task: an async function that handlers call for side effects outside the run.

1. In a handler, its result is recorded: a further attempt at the handler, after a crash or an
   error, does not call it again.
2. A task that fails is tried again as its retry policy says.
3. Outside of a handler, and inside another task, it is the function that it wraps.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import cached_property
from types import MethodType
from typing import Any, Generic, ParamSpec, Self, TypeVar, get_type_hints, overload

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from grctl.arguments import wrong_type
from grctl.json.serialization import NotJsonError
from grctl.models.retry_policy import RetryPolicy
from grctl.worker.attempts import NO_RETRY, TaskCall, TaskOptions
from grctl.worker.call_identity import (
    UNHASHED,
    CurrentTask,
    current_task,
    fingerprint_of,
    handler_key,
    idempotency_key,
    is_in_task,
    nested_key,
    running_task,
)
from grctl.worker.journal import HandlerJournal, current_journal
from grctl.worker.task_errors import (
    NonDeterministicError,
    TaskFailedError,
    TaskInterruptedError,
    TaskResultError,
)
from grctl.workflow.options import check_policy, check_timeout

__all__ = [
    "CurrentTask",
    "NonDeterministicError",
    "Task",
    "TaskFailedError",
    "TaskInterruptedError",
    "TaskResultError",
    "current_task",
    "task",
]

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")


class Task(Generic[P, R]):
    """A function under `@task`.

    Attributes:
        name: Name of the function. The journal knows the task by it.
        function: The function as written.
        options: What the decorator says about it.
    """

    def __init__(
        self, function: Callable[P, Coroutine[Any, Any, R]], options: TaskOptions | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self.function = function
        self.options = options or TaskOptions()
        self._signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function. Await the result.

        Raises:
            NotJsonError: an argument of a recorded task is not JSON.
            ValueError: the handler has called another recorded task of that name.
        """
        journal = None if is_in_task() else current_journal()
        recorded = journal is not None and journal.has_recorder and self.options.record
        fingerprint = self._fingerprint(args, kwargs, is_needed=recorded)
        if journal is not None and recorded:
            journal.check_name(self.name, _full_name(self.function))
        call = functools.partial(self.function, *args, **kwargs)
        if journal is not None and self.options.record and not recorded:
            journal.note_unrecorded()
        if journal is None:
            made = self._call_plainly(fingerprint, call)
        else:
            made = self._call_in_handler(journal, fingerprint, call, recorded=recorded)
        made.__qualname__ = self.function.__qualname__  # type: ignore[attr-defined]
        return made

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self, instance: object, owner: type | None = None
    ) -> Callable[..., Coroutine[Any, Any, R]]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the task, or its method of an object: `self` is an argument like any other."""
        return self if instance is None else MethodType(self, instance)

    async def _call_plainly(
        self, fingerprint: str, call: Callable[[], Coroutine[Any, Any, R]]
    ) -> R:
        key = nested_key(self.name, fingerprint)
        with running_task(CurrentTask(self.name, 1, key)):
            return await call()

    async def _call_in_handler(
        self,
        journal: HandlerJournal,
        fingerprint: str,
        function: Callable[[], Coroutine[Any, Any, R]],
        *,
        recorded: bool,
    ) -> R:
        key = journal.number(self.name, fingerprint)
        call = TaskCall(
            name=self.name,
            key=key,
            idempotency_key=idempotency_key(handler_key(journal.execution), key),
            options=self.options,
            function=function,
            adapter=self._adapter if recorded else None,
            journal=journal,
        )
        result: R = await (call.recorded() if recorded else call.unrecorded())
        return result

    def _fingerprint(self, args: Any, kwargs: Any, *, is_needed: bool) -> str:
        """Return the hash of a call's arguments. If it is not needed, they need not be JSON."""
        try:
            return fingerprint_of(self.name, self._signature, args, kwargs)
        except NotJsonError:
            if is_needed:
                raise
            return UNHASHED

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        """The adapter that makes a result of its JSON; None if it is to be JSON.

        Raises:
            TypeError: the annotation cannot be found, or pydantic cannot make its type from JSON.
        """
        try:
            annotation = _return_annotation(self.function)
            return None if annotation is Any else TypeAdapter(annotation)
        except (NameError, PydanticUserError) as error:
            raise TypeError(
                f"Task {self.name} is recorded, and its result is made again from JSON, but its"
                f" return annotation does not say how: {error}. Return JSON or a type that pydantic"
                " validates, or define it with @task(record=False): then it runs again in each"
                " attempt at the handler."
            ) from error


def _full_name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
@overload
def task(
    *,
    retry_policy: RetryPolicy | None = None,
    timeout: timedelta | None = None,
    once: bool = False,
    record: bool = True,
) -> Callable[[Callable[Q, Coroutine[Any, Any, S]]], Task[Q, S]]: ...


def task(
    function: Any = None,
    /,
    *,
    retry_policy: RetryPolicy | None = None,
    timeout: timedelta | None = None,
    once: bool = False,
    record: bool = True,
) -> Any:
    """Make a task of an async function.

    In a handler, its arguments and its result must be JSON, as `ctx.store.put` takes it. The result
    comes back as its return annotation says, made from the JSON, also in the call that ran: an
    annotation that does not fit shows at once.

    Args:
        function: The function, if the decorator has no parentheses.
        retry_policy: How often it is tried again if it raises. Default: it is not.
        timeout: How long one attempt may take; then TimeoutError is raised in it.
        once: Whether it must not begin twice, for systems that take no idempotency key. Its
            beginning is made durable before it is called. After a crash it raises
            TaskInterruptedError instead of running again.
        record: Whether its result is recorded. False is for large or quick reads: they run again in
            each attempt at the handler, and take any argument.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: it is not an async function, or arguments do not fit each other.

    Example:
        >>> @task(retry_policy=RetryPolicy(max_attempts=5), timeout=timedelta(seconds=20))
        ... async def charge(order_id: str, amount: int) -> Receipt:
        ...     return await payments.charge(amount, key=current_task().idempotency_key)
    """
    options = _options(retry_policy, timeout, once, record)
    if function is None:
        return lambda function: _make(function, options)
    return _make(function, options)


def _return_annotation(function: Callable[..., Any]) -> Any:
    """Return what a function is annotated to return; Any if it is not.

    The annotations of its parameters may name what only a type checker imports.
    """

    def only_returns() -> None: ...

    only_returns.__annotations__ = {"return": function.__annotations__.get("return", Any)}
    namespace = inspect.unwrap(function).__globals__
    return get_type_hints(only_returns, namespace, include_extras=True)["return"]


def _make(function: Any, options: TaskOptions) -> Task[Any, Any]:
    if inspect.isfunction(function) and inspect.iscoroutinefunction(function):
        return Task(function, options)
    name = getattr(function, "__name__", "my_task")
    raise ValueError(
        f"{name!r} ({type(function).__name__}) cannot be a task, which is an async function:"
        f" write `async def {name}(...):`"
    )


def _options(policy: Any, timeout: Any, once: Any, record: Any) -> TaskOptions:
    for name, given in (("once", once), ("record", record)):
        if not isinstance(given, bool):
            raise wrong_type(name, given, "True or False")
    check_policy(policy)
    check_timeout(timeout)
    if once and not record:
        raise ValueError("once=True needs a record of the beginning: leave out record=False.")
    if once and policy is not None and policy.attempts > 1:
        raise ValueError(
            f"once=True means that it never begins twice, and retry_policy has {policy.attempts}"
            " attempts: leave out one of both."
        )
    return TaskOptions(policy or NO_RETRY, timeout, once, record)
