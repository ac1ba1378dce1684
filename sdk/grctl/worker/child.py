"""The first grctl's module of child workflows, for an error that says what to use instead."""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere
from grctl.worker.context import NO_CHILDREN

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(__name__, {"ChildOutcome": NO_CHILDREN})
