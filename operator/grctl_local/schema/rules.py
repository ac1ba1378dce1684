"""`x-kubernetes-validations`: the validation rules of a schema, written in CEL.

1. A rule that names `oldSelf` is a transition rule. It does not apply to a new value.
2. If a rule cannot be evaluated, the object is refused with the error of the CEL engine and the
   message of the rule. This holds for a value that an update does not change, too.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from grctl_local.errors import Json


class Program(Protocol):
    """A compiled CEL expression."""

    def execute(self, context: dict[str, Any] | None = None) -> Any:
        """Return the value of the expression with these variables."""
        ...

    def variables(self) -> list[str]:
        """Return the names of the variables that the expression uses."""
        ...


class RuleError(Exception):
    """A CEL expression does not compile."""


class Failure(NamedTuple):
    """Why a value breaks a rule."""

    message: str
    allowed_if_unchanged: bool
    """Whether a value that an update does not change passes in spite of the failure."""


@dataclass(frozen=True)
class Rule:
    """One compiled rule."""

    source: Json
    program: Program
    message_program: Program | None
    transition: bool

    @classmethod
    def read(cls, source: Json) -> "Rule":
        """Return the compiled rule of a schema's entry.

        Raises:
            RuleError: an expression does not compile.
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
            return Failure(f"{error} evaluating rule: {rule.strip()}", allowed_if_unchanged=False)
        if holds is True:
            return None
        return Failure(self._message(variables), allowed_if_unchanged=not self.transition)

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
    import cel  # noqa: PLC0415  # importing it takes half a second, and few commands need it

    return cel
