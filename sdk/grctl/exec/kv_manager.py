"""The first grctl's module of the store, for an error that says what to use instead."""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__,
        {"StoreKeyNotFoundError": "write `from grctl.worker import StoreKeyNotFoundError`"},
    )
