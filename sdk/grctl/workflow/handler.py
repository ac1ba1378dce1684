"""Handler: an async function that a workflow runs at its start, as a step, or for an event.

1. Calling a handler calls its function, so a test of user code needs nothing of ours.
2. A handler stands for its workflow. `@greet.event()` above `async def greet` replaces the workflow
   `greet` by a handler, and the next `@greet.event()` still works.
"""

import functools
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from grctl.dialect import without
from grctl.models.directive import Directive
from grctl.models.phases import HandlerKind
from grctl.models.retry_policy import OnFailure, RetryPolicy
from grctl.workflow.options import HandlerOptions
from grctl.workflow.signature import Signature

if TYPE_CHECKING:
    from grctl.workflow.query import Query, QueryFunction
    from grctl.workflow.workflow import Workflow

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")

HandlerFunction = Callable[P, Coroutine[Any, Any, Directive]]


class Handler(Generic[P]):
    """A handler of a workflow, as `@workflow.start()`, `.step()` and `.event()` make it.

    Attributes:
        workflow: The workflow that it belongs to.
        kind: start, step or event.
        name: Name of the step or the event; of a start handler, the function's.
        function: The function as written.
        signature: The parameters that a payload binds to.
        options: What its decorator says beside its name.
    """

    __name__: str

    def __init__(
        self,
        workflow: "Workflow",
        kind: HandlerKind,
        name: str,
        function: HandlerFunction[P],
        options: HandlerOptions,
    ) -> None:
        functools.update_wrapper(self, function)
        self.workflow = workflow
        self.kind = kind
        self.name = name
        self.function = function
        self.signature = Signature(function)
        self.options = options

    @property
    def timeout_s(self) -> float | None:
        """How long one attempt may take, in seconds; None: for ever."""
        timeout = self.options.timeout
        return timeout.total_seconds() if timeout is not None else None

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """How often it is tried again if it raises; None: it is not."""
        return self.options.retry_policy or self.workflow.defaults.retry_policy

    @property
    def on_failure(self) -> OnFailure:
        """Whether the run fails, or is held, after the last attempt."""
        return self.options.on_failure or self.workflow.defaults.on_failure or "fail"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Directive]:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.kind} handler {self.name!r} of {self.workflow.workflow_type}>"

    def start(
        self,
        function: None = None,
        /,
        *,
        timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        on_failure: OnFailure | None = None,
    ) -> Callable[[HandlerFunction[Q]], "Handler[Q]"]:
        """Define a start handler of the same workflow: see `Workflow.start`."""
        return self.workflow.start(
            function, timeout=timeout, retry_policy=retry_policy, on_failure=on_failure
        )

    @without(start="write @workflow.start()", event="write @workflow.event()")
    def step(
        self,
        name: str | None = None,
        *,
        timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        on_failure: OnFailure | None = None,
    ) -> Callable[[HandlerFunction[Q]], "Handler[Q]"]:
        """Define a step of the same workflow: see `Workflow.step`."""
        return self.workflow.step(
            name, timeout=timeout, retry_policy=retry_policy, on_failure=on_failure
        )

    def event(
        self,
        name: str | None = None,
        *,
        timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        on_failure: OnFailure | None = None,
    ) -> Callable[[HandlerFunction[Q]], "Handler[Q]"]:
        """Define an event handler of the same workflow: see `Workflow.event`."""
        return self.workflow.event(
            name, timeout=timeout, retry_policy=retry_policy, on_failure=on_failure
        )

    def query(self, name: str | None = None) -> "Callable[[QueryFunction[Q, R]], Query[Q, R]]":
        """Define a query of the same workflow: see `Workflow.query`."""
        return self.workflow.query(name)
