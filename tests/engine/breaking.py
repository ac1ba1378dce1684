"""How the engines that are broken on purpose are registered, and how a rule is replaced."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from grctl_operator.engine import Decision, decide

Break = Callable[[pytest.MonkeyPatch], Callable[..., Decision]]
BROKEN: dict[str, tuple[str, Break]] = {}
"""By name: the climate in which the defect shows, and the function that breaks the engine."""


def broken(climate: str) -> Callable[[Break], Break]:
    """Register a broken engine under the name of its function."""

    def register(make: Break) -> Break:
        BROKEN[make.__name__] = (climate, make)
        return make

    return register


def with_rule(patch: pytest.MonkeyPatch, right: Any, wrong: Any) -> Callable[..., Decision]:
    """Replace a rule in the tables of the rules."""
    module = module_of(decide)
    for table in ("ADDING_RULES", "CLOSING_RULES"):
        rows = getattr(module, table)
        broken_rows = tuple(row._replace(rule=wrong) if row.rule is right else row for row in rows)
        patch.setattr(module, table, broken_rows)
    assert wrong in {row.rule for row in (*module.ADDING_RULES, *module.CLOSING_RULES)}
    return decide


def module_of(function: Any) -> Any:
    """Return the module in which a function is defined."""
    return sys.modules[function.__module__]
