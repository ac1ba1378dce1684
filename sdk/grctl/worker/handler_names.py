"""The names of the steps and events that a transition goes to, checked against its workflow.

A transition takes a handler itself, or its name. Whatever is wrong with one raises ValueError, so
that the line that makes the transition is in the stack trace.
"""

from collections.abc import Iterable
from typing import Any

from grctl.models.limits import MAX_SHOWN_NAMES
from grctl.models.phases import HandlerKind
from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow

ONLY = {
    HandlerKind.STEP: "only a step can be next",
    HandlerKind.EVENT: "a wait takes events only",
}


class HandlerNames:
    """The handlers of a workflow, as its transitions name them."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def step(self, step: Any) -> str:
        """Return the name of a step.

        Args:
            step: The step itself, or its name.

        Raises:
            ValueError: the workflow has no such step; names those it has.
        """
        return self._name(HandlerKind.STEP, step)

    def events(self, events: Any) -> tuple[str, ...]:
        """Return the names of events, each once, in the order given.

        Args:
            events: Event handlers, or their names.

        Raises:
            ValueError: they are none, or one, or one of them is not an event of the workflow; names
                those it has.
        """
        if isinstance(events, str | Handler) or not isinstance(events, Iterable):
            raise ValueError(  # noqa: TRY004  one type for whatever is wrong with a transition
                f"events must be a list of event handlers or their names, not {events!r}"
                f" ({type(events).__name__}): write events=[approve, reject]. {self._events}"
            )
        names = tuple(dict.fromkeys(self._name(HandlerKind.EVENT, each) for each in events))
        if not names:
            raise ValueError(
                "events is empty, so that nothing could end this wait: name the events that it"
                f" takes, or leave it out to take any. {self._events}"
            )
        if len(names) > MAX_SHOWN_NAMES:
            raise ValueError(
                f"events has {len(names)} names; a wait keeps at most {MAX_SHOWN_NAMES}."
            )
        return names

    def offer(self, kind: HandlerKind) -> str:
        """Return a sentence that lists the workflow's handlers of a kind."""
        names = ", ".join(repr(name) for name in self._workflow.names(kind))
        return f"{str(kind).capitalize()}s of {self._workflow.workflow_type}: {names or 'none'}."

    def _name(self, kind: HandlerKind, given: Any) -> str:
        if isinstance(given, Handler):
            self._check_own(kind, given)
            return given.name
        if not isinstance(given, str):
            raise ValueError(  # noqa: TRY004  one type for whatever is wrong with a transition
                f"{given!r} ({type(given).__name__}) is not {_a(kind)} of {self._type}."
                f" {self.offer(kind)}"
            )
        if self._workflow.find(kind, given) is None:
            raise ValueError(f"{self._type} has no {kind} {given!r}. {self.offer(kind)}")
        return given

    def _check_own(self, kind: HandlerKind, handler: Handler[Any]) -> None:
        if handler.workflow is not self._workflow:
            raise ValueError(f"{handler!r} is not {_a(kind)} of {self._type}. {self.offer(kind)}")
        if handler.kind is not kind:
            raise ValueError(
                f"{handler!r} is not {_a(kind)}: {ONLY[kind]}. {self.offer(kind)}"
                " What both should do can be a function that both call."
            )

    @property
    def _events(self) -> str:
        return self.offer(HandlerKind.EVENT)

    @property
    def _type(self) -> str:
        return self._workflow.workflow_type


def _a(kind: HandlerKind) -> str:
    return f"an {kind}" if kind is HandlerKind.EVENT else f"a {kind}"
