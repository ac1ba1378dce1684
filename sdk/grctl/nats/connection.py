"""The first grctl's module of `Connection`, for an error that says what to use instead."""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere
from grctl.nats import NO_CONNECTION

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(__name__, {"Connection": NO_CONNECTION})
