"""Workflow: a workflow type and its handlers, collected by decorators.

1. Names are unique among the handlers of a kind. A step and an event may have one name: an event
   never runs a step, and a transition never runs an event handler. Names of queries are unique too.
2. A mistake that can be seen when a handler is defined raises ValueError there.
"""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from grctl.dialect import without
from grctl.models.answers import RESERVED_QUERY_PREFIX
from grctl.models.base import NAME_LENGTH
from grctl.models.phases import HandlerKind
from grctl.models.retry_policy import OnFailure, RetryPolicy
from grctl.workflow.handler import Handler, HandlerFunction, P
from grctl.workflow.named_handlers import NamedHandler, named_handlers
from grctl.workflow.options import HandlerOptions
from grctl.workflow.query import Query, QueryFunction, R


class Workflow:
    """A workflow type, to which decorators add handlers.

    Args:
        workflow_type: Name of the type, as runs name it in `spec.workflow.type`.
        on_failure: What becomes of a run whose handler failed for good: "fail" (the default) ends
            it, "hold" keeps it as it is until a person has mended the cause: `grctl retry ID`.
        retry_policy: How often a handler that raises is tried again. Default: it is not.

    The last two hold for all handlers that do not say otherwise.

    Raises:
        TypeError: `retry_policy` is not a RetryPolicy.
        ValueError: the name is empty or longer than 253 characters, or `on_failure` is neither of
            the two.

    Example:
        >>> order = Workflow(workflow_type="ProcessOrder")
        >>> @order.start()
        ... async def start(ctx: Context, order_id: str) -> Directive:
        ...     return ctx.next.wait_for_event()
        >>> @order.event()
        ... async def approve(ctx: Context) -> Directive:
        ...     return ctx.next.complete("approved")
    """

    def __init__(
        self,
        workflow_type: str,
        *,
        on_failure: OnFailure = "fail",
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        _check_name(workflow_type, "workflow_type")
        self.workflow_type = workflow_type
        self.defaults = HandlerOptions(retry_policy=retry_policy, on_failure=on_failure)
        self._handlers: dict[tuple[HandlerKind, str], Handler[Any]] = {}
        self._queries: dict[str, Query[Any, Any]] = {}

    def __repr__(self) -> str:
        return f"<Workflow {self.workflow_type!r}>"

    @property
    def handlers(self) -> tuple[Handler[Any], ...]:
        """All handlers, in the order of definition."""
        return tuple(self._handlers.values())

    @property
    def queries(self) -> tuple[Query[Any, Any], ...]:
        """All queries, in the order of definition."""
        return tuple(self._queries.values())

    def names(self, kind: HandlerKind) -> tuple[str, ...]:
        """Return the names of the handlers of a kind, in the order of definition."""
        return tuple(name for each, name in self._handlers if each is kind)

    def find(self, kind: HandlerKind, name: str) -> Handler[Any] | None:
        """Return the handler of a kind and name. A start handler is found by its kind alone."""
        if kind is HandlerKind.START:
            return next((each for each in self.handlers if each.kind is kind), None)
        return self._handlers.get((kind, name))

    def start(
        self,
        function: None = None,
        /,
        *,
        timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        on_failure: OnFailure | None = None,
    ) -> Callable[[HandlerFunction[P]], Handler[P]]:
        """Define the handler that a run begins with. A workflow has one.

        Its parameters after `ctx` take the run's input.

        Args:
            function: Nothing: the decorator has parentheses.
            timeout: How long one attempt may take. Then it is cancelled, and counts as failed.
            retry_policy: How often it is tried again if it raises. What is recorded is kept.
            on_failure: What becomes of the run after the last attempt: see `Workflow`.

        Raises:
            TypeError: an option is of a wrong type.
            ValueError: there is one already, or the function is not fit for one.
        """
        _check_parentheses(HandlerKind.START, function)
        options = HandlerOptions(timeout, retry_policy, on_failure)

        def define(function: HandlerFunction[P]) -> Handler[P]:
            for first in self.names(HandlerKind.START):
                raise ValueError(
                    f"{self.workflow_type} has a start handler already, {first!r}, so"
                    f" {_name_of(function)!r} cannot be another. Make it a step."
                )
            return self._define(HandlerKind.START, None, function, options)

        return define

    @without(start="write @workflow.start()", event="write @workflow.event()")
    def step(
        self,
        name: str | None = None,
        *,
        timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        on_failure: OnFailure | None = None,
    ) -> Callable[[HandlerFunction[P]], Handler[P]]:
        """Define a step, which `ctx.next.step` and a wait's timeout go to.

        Args:
            name: Name of the step. Defaults to the function's name. Runs that wait keep it, so a
                function that is renamed keeps its step's name.
            timeout: How long one attempt may take. Then it is cancelled, and counts as failed.
            retry_policy: How often it is tried again if it raises. What is recorded is kept.
            on_failure: What becomes of the run after the last attempt: see `Workflow`.

        Raises:
            TypeError: an option is of a wrong type.
            ValueError: there is a step of that name, or the function is not fit for one.

        Example:
            >>> @order.step(name="escalate")
            ... async def call_the_manager(ctx: Context) -> Directive:
            ...     return ctx.next.wait_for_event()
        """
        _check_parentheses(HandlerKind.STEP, name)
        options = HandlerOptions(timeout, retry_policy, on_failure)
        return lambda function: self._define(HandlerKind.STEP, name, function, options)

    def event(
        self,
        name: str | None = None,
        *,
        timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        on_failure: OnFailure | None = None,
    ) -> Callable[[HandlerFunction[P]], Handler[P]]:
        """Define the handler of an event. Its parameters after `ctx` take the event's payload.

        Args:
            name: Name of the event. Defaults to the function's name.
            timeout: How long one attempt may take. Then it is cancelled, and counts as failed.
            retry_policy: How often it is tried again if it raises. What is recorded is kept.
            on_failure: What becomes of the run after the last attempt: see `Workflow`.

        Raises:
            TypeError: an option is of a wrong type.
            ValueError: there is a handler for that event, or the function is not fit for one.

        Example:
            >>> @order.event(name="order.rejected")
            ... async def handle_rejection(ctx: Context, reason: str = "") -> Directive:
            ...     return ctx.next.complete("rejected")
        """
        _check_parentheses(HandlerKind.EVENT, name)
        options = HandlerOptions(timeout, retry_policy, on_failure)
        return lambda function: self._define(HandlerKind.EVENT, name, function, options)

    def query(self, name: str | None = None) -> Callable[[QueryFunction[P, R]], Query[P, R]]:
        """Define a query: a question about the run, answered from what its store holds.

        The worker computes the answer after each handler. `status.answers` has it, and so do
        `handle.query(...)` and `kubectl get`, if the name is `summary`. A query cannot change the
        run. One that raises, or takes longer than a second, has no answer until it works again.

        Args:
            name: Name of the query. Defaults to the function's name.

        Raises:
            ValueError: there is a query of that name, or the function is not fit for one.

        Example:
            >>> @order.query()
            ... async def summary(ctx: Context) -> str:
            ...     return f"{await ctx.store.get('amount')} EUR for a laptop"
        """
        _check_parentheses("query", name)
        return lambda function: self._define_query(name, function)

    def check_named_handlers(self) -> None:
        """Check that each step and each event that a handler names by a constant exists.

        Raises:
            ValueError: one does not; names the handler, its line and those that there are.
        """
        for handler in self.handlers:
            for named in named_handlers(handler.function):
                if named.name not in self.names(named.kind):
                    raise ValueError(self._missing(handler, named))

    def _missing(self, handler: Handler[Any], named: NamedHandler) -> str:
        listed = ", ".join(repr(each) for each in self.names(named.kind)) or "none"
        return (
            f"{handler.function.__name__} names the {named.kind} {named.name!r}"
            f" ({handler.function.__code__.co_filename}, line {named.line}), which"
            f" {self.workflow_type} does not have. {str(named.kind).capitalize()}s of"
            f" {self.workflow_type}: {listed}."
        )

    def _define(
        self,
        kind: HandlerKind,
        name: str | None,
        function: HandlerFunction[P],
        options: HandlerOptions,
    ) -> Handler[P]:
        _check_function(kind, function)
        named = name if name is not None else function.__name__
        handler = Handler(self, kind, named, function, options)
        _check_name(handler.name, f"The name of {function.__name__!r}")
        if kind is HandlerKind.STEP and handler.signature.needs_payload:
            raise ValueError(
                f"Step {handler.signature} has parameters without a default, but a step gets no"
                " payload: put values into ctx.store before, and get them from there."
            )
        if (kind, handler.name) in self._handlers:
            raise ValueError(
                f"{self.workflow_type} has {_article(kind)} handler {handler.name!r} already."
            )
        self._handlers[kind, handler.name] = handler
        return handler

    def _define_query(self, name: str | None, function: QueryFunction[P, R]) -> Query[P, R]:
        _check_async("a query", "str", function)
        query = Query(self, name if name is not None else function.__name__, function)
        _check_name(query.name, f"The name of {function.__name__!r}")
        if query.name.startswith(RESERVED_QUERY_PREFIX):
            raise ValueError(
                f"The name of a query cannot begin with {RESERVED_QUERY_PREFIX!r}: {query.name!r}."
            )
        if query.name in self._queries:
            raise ValueError(f"{self.workflow_type} has a query {query.name!r} already.")
        self._queries[query.name] = query
        return query


def workflow_of(candidate: Any) -> Workflow:
    """Return the workflow that an object is or stands for: a handler stands for its workflow.

    Raises:
        TypeError: it is neither a Workflow nor a handler; names the object.

    Example:
        >>> workflow_of(approve) is order
        True
    """
    if isinstance(candidate, Workflow):
        return candidate
    if isinstance(candidate, Handler | Query):
        return candidate.workflow
    raise TypeError(
        f"{candidate!r} ({type(candidate).__name__}) is neither a Workflow nor a handler of one."
    )


def _check_name(name: Any, what: str) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH:
        raise ValueError(f"{what} must be text of 1 to {NAME_LENGTH} characters, not {name!r}.")


def _check_parentheses(kind: str, given: object) -> None:
    """Raise ValueError if a decorator was written without its parentheses.

    Python then passes the decorated function where a name, or nothing, is expected.
    """
    if callable(given):
        raise ValueError(  # noqa: TRY004  as every other error of a definition
            f"Write `{kind}()` with parentheses in the decorator of {_name_of(given)!r}."
        )


def _check_function(kind: HandlerKind, function: Any) -> None:
    _check_async(f"{_article(kind)} handler", "Directive", function)


def _check_async(what: str, returned: str, function: Any) -> None:
    """Raise ValueError unless it is an async function."""
    if inspect.isfunction(function) and inspect.iscoroutinefunction(function):
        return
    name = _name_of(function)
    raise ValueError(
        f"{name!r} ({type(function).__name__}) cannot be {what}, which is an async function:"
        f" write `async def {name}(ctx: Context) -> {returned}:`"
    )


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", "handler"))


def _article(kind: HandlerKind) -> str:
    return f"an {kind}" if kind is HandlerKind.EVENT else f"a {kind}"
