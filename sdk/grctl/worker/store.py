"""ctx.store: the values that a run keeps from one handler to the next.

1. A handler reads its own writes. They are committed with its outcome, all or none.
2. `put` copies a value, and so does `get`: changing the object afterwards changes nothing.
3. A write counts if it is made before the handler returns, also after the directive was made.
"""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, overload

import orjson
from pydantic import TypeAdapter, ValidationError

from grctl.json.serialization import TooLargeError, in_kib, size_of, to_json
from grctl.models.limits import MAX_STORE_BYTES
from grctl.worker.validating import validate_json

T = TypeVar("T")
D = TypeVar("D")

_MISSING = object()
MAX_NAMED_KEYS = 3  # in the error about a store that is too large


class StoreKeyError(KeyError):
    """The store has no such key; the message names those it has."""

    def __str__(self) -> str:
        return str(self.args[0])


class StoreTypeError(TypeError):
    """A value of the store does not fit the type that it was asked for as."""


class Store:
    """The values of one run, by key.

    Example:
        >>> ctx.store.put("order", Order(id="abc", placed=datetime.now(UTC)))
        >>> order = await ctx.store.get("order", as_type=Order)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)
        self._put: dict[str, Any] = {}
        self._deleted: dict[str, None] = {}

    def put(self, key: str, value: Any) -> None:
        """Keep a value under a key.

        Args:
            key: Any text.
            value: JSON, a pydantic model, a dataclass, an enum, a datetime, UUID or Decimal, or
                lists, tuples, sets and dicts of them. It is kept as JSON: read it back with
                `as_type` where it was something else. 10.0 may come back as 10.

        Raises:
            NotJsonError: the value cannot be kept; names the place in it, and the type.
        """
        if not isinstance(key, str):
            raise TypeError(f"A key of ctx.store is text, not {key!r} ({type(key).__name__}).")
        what = f"ctx.store[{to_json(key, 'a key of ctx.store')!r}]"
        json = to_json(value, what, comes_back=True)
        self._values[key] = self._put[key] = json
        self._deleted.pop(key, None)

    def delete(self, key: str) -> None:
        """Remove a key. A key that does not exist is not an error."""
        if self._values.pop(key, _MISSING) is not _MISSING:
            self._put.pop(key, None)
            self._deleted[key] = None

    @overload
    async def get(self, key: str) -> Any: ...
    @overload
    async def get(self, key: str, default: D) -> Any | D: ...
    @overload
    async def get(self, key: str, *, as_type: type[T]) -> T: ...
    @overload
    async def get(self, key: str, default: D, *, as_type: type[T]) -> T | D: ...

    async def get(self, key: str, default: Any = _MISSING, *, as_type: Any = None) -> Any:
        """Return the value of a key.

        Args:
            key: The key it was put under.
            default: The value to return if there is no such key.
            as_type: The type to make of the JSON: any type that pydantic validates.

        Raises:
            StoreKeyError: there is no such key, and no default; names the keys that there are.
            StoreTypeError: the value does not fit `as_type`.

        Example:
            >>> await ctx.store.get("paid", default=False)
            False
        """
        if key not in self._values:
            if default is _MISSING:
                raise StoreKeyError(self._missing(key))
            return default
        value = self._values[key]
        return _copy(value) if as_type is None else _validate(key, value, as_type)

    async def keys(self) -> tuple[str, ...]:
        """Return all keys."""
        return tuple(self._values)

    def changes(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the values that were put, and the keys that were deleted.

        Raises:
            TooLargeError: the store as a whole would be larger than a store may be.
        """
        if self._put:
            self._check_size()
        return dict(self._put), tuple(self._deleted)

    def _check_size(self) -> None:
        size = size_of(self._values)
        if size <= MAX_STORE_BYTES:
            return
        sizes = sorted(((size_of(each), key) for key, each in self._values.items()), reverse=True)
        largest = ", ".join(f"{key!r} {in_kib(of)}" for of, key in sizes[:MAX_NAMED_KEYS])
        raise TooLargeError(
            f"ctx.store would hold {in_kib(size)} of JSON; at most {in_kib(MAX_STORE_BYTES)} are"
            f" kept. Its largest keys: {largest}. Keep large values elsewhere and put references to"
            " them."
        )

    def _missing(self, key: str) -> str:
        present = ", ".join(repr(each) for each in self._values) or "nothing yet"
        return f"ctx.store has no key {key!r}; it has {present}"


def store_after(
    values: Mapping[str, Any], put: Mapping[str, Any], deleted: Collection[str]
) -> dict[str, Any]:
    """Return the values of a store after changes, as the commit will have them."""
    return {**{key: value for key, value in values.items() if key not in deleted}, **put}


def _copy(json: Any) -> Any:
    return orjson.loads(orjson.dumps(json)) if isinstance(json, dict | list) else json


def _validate(key: str, value: Any, as_type: Any) -> Any:
    try:
        return validate_json(TypeAdapter(as_type), value)
    except ValidationError as error:
        raise StoreTypeError(f"ctx.store[{key!r}] does not fit {as_type!r}: {error}") from error
