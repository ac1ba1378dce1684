"""`x-kubernetes-validations`: CEL rules of a schema.

1. A rule that names `oldSelf` is a transition rule: it says nothing about a new value.
2. If a rule cannot be evaluated, the object is refused with the engine's error and the rule's
   message. That holds for a value that an update leaves alone, too.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from grctl_local.errors import Json


class Program(Protocol):
    """A compiled expression."""

    def execute(self, context: dict[str, Any] | None = None) -> Any:
        """Evaluate with these variables."""
        ...

    def variables(self) -> list[str]:
        """Name the variables it uses."""
        ...


class RuleError(Exception):
    """An expression does not compile."""


class Failure(NamedTuple):
    """Why a value breaks a rule."""

    message: str
    old_may_keep_it: bool
    """Whether a value that an update leaves alone passes all the same."""


@dataclass(frozen=True)
class Rule:
    """One rule, compiled."""

    source: Json
    program: Program
    message_program: Program | None
    transition: bool

    @classmethod
    def read(cls, source: Json) -> "Rule":
        """Compile a rule.

        Raises:
            RuleError: it is no CEL.
        """
        program = _compile(source.get("rule", ""))
        message = source.get("messageExpression")
        transition = "oldSelf" in program.variables() and not source.get("optionalOldSelf")
        return cls(source, program, _compile(message) if message else None, transition)

    def failure(self, value: Any, old: Any) -> Failure | None:
        """Return why a value breaks the rule; None if it does not."""
        variables = {"self": value, "oldSelf": old}
        try:
            holds = self.program.execute(variables)
        except (TypeError, ValueError, KeyError, RuntimeError, ArithmeticError) as error:
            rule = self.source.get("message") or self.source["rule"]
            return Failure(f"{error} evaluating rule: {rule.strip()}", old_may_keep_it=False)
        if holds is True:
            return None
        return Failure(self._message(variables), old_may_keep_it=not self.transition)

    def _message(self, variables: dict[str, Any]) -> str:
        if self.message_program:
            try:
                return str(self.message_program.execute(variables))
            except (TypeError, ValueError, KeyError, RuntimeError, ArithmeticError):
                pass  # upstream falls back to the message too
        message: str = self.source.get("message") or f"failed rule: {self.source['rule'].strip()}"
        return message


def _compile(expression: str) -> Program:
    try:
        program: Program = _engine().compile(expression)
    except ValueError as error:
        _, _, detail = str(error).partition(": ")
        raise RuleError((detail or str(error)).replace("\n| ", "\n | ")) from error
    return program


@functools.cache
def _engine() -> Any:
    import cel  # noqa: PLC0415  # half a second on a cold start, and most commands have no rules

    return cel
