"""ctx.store: the values that a run keeps from one handler to the next.

1. A handler reads its own writes. They are committed with its outcome, all or none.
2. `put` copies a value, and so does `get`: changing the object afterwards changes nothing.
3. A write counts if it is made before the handler returns, also after the directive was made.
"""

from collections.abc import Collection, Mapping
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Any, NewType, TypeVar, get_origin, overload

import orjson
from pydantic import TypeAdapter, ValidationError

from grctl.dialect import attribute_elsewhere
from grctl.json.serialization import TooLargeError, in_kib, size_of, to_json
from grctl.json.validating import validate_json
from grctl.models.limits import MAX_STORE_BYTES

T = TypeVar("T")
D = TypeVar("D")

_MISSING = object()
MAX_NAMED_KEYS = 3  # in the error about a store that is too large


class StoreKeyNotFoundError(KeyError):
    """The store has no such key; the message names those it has.

    Attributes:
        key: The key that was asked for.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message, key)  # a copy of the error is made from these arguments
        self.key = key

    def __str__(self) -> str:
        return str(self.args[0])


class StoreTypeError(TypeError):
    """A value of the store does not fit the type that it was asked for as."""


class Store:
    """The values of one run, by key.

    Example:
        >>> ctx.store.put("order", Order(id="abc", placed=datetime.now(UTC)))
        >>> order = await ctx.store.get("order", Order)
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
    async def get(self, key: str, ty: type[T]) -> T: ...
    @overload
    async def get(self, key: str, ty: type[T], *, default: D) -> T | D: ...
    @overload
    async def get(self, key: str, ty: D) -> Any | D: ...
    @overload
    async def get(self, key: str, ty: D, *, as_type: type[T]) -> T | D: ...
    @overload
    async def get(self, key: str, *, default: D) -> Any | D: ...
    @overload
    async def get(self, key: str, *, as_type: type[T]) -> T: ...
    @overload
    async def get(self, key: str, *, default: D, as_type: type[T]) -> T | D: ...

    async def get(
        self,
        key: str,
        ty: Any = _MISSING,
        *,
        default: Any = _MISSING,
        as_type: Any = None,
    ) -> Any:
        """Return the value of a key.

        Args:
            key: The key it was put under.
            ty: The type, as `as_type`, if it is one: `Order`, `list[int]`. Any other value is the
                default.
            default: The value to return if there is no such key.
            as_type: The type to make of the JSON: any type that pydantic validates.

        Raises:
            StoreKeyNotFoundError: there is no such key, and no default; names the keys that there
                are.
            StoreTypeError: the value does not fit `as_type`.
            TypeError: a type, or a default, was passed twice.

        Example:
            >>> await ctx.store.get("order", Order)
            Order(id='abc')
            >>> await ctx.store.get("paid", default=False)
            False
        """
        if _is_type(ty):
            as_type = _only(key, ty, as_type, None, "as_type")
        elif ty is not _MISSING:
            default = _only(key, ty, default, _MISSING, "default")
        if key not in self._values:
            if default is _MISSING:
                raise StoreKeyNotFoundError(self._missing(key), key)
            return default
        value = self._values[key]
        return _copy(value) if as_type is None else _validate(key, value, as_type)

    async def keys(self) -> tuple[str, ...]:
        """Return all keys."""
        return tuple(self._values)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_elsewhere(self, name, {"set": "write ctx.store.put(key, value)"})

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


def _is_type(value: Any) -> bool:
    """Return whether a value is a type that pydantic validates: a class, or one of `typing`."""
    if isinstance(value, type | GenericAlias | UnionType | NewType | TypeVar):
        return True
    return value is Any or get_origin(value) is not None or type(value).__name__ == "TypeAliasType"


def _only(key: str, by_position: Any, by_name: Any, unset: Any, argument: str) -> Any:
    """Return an argument that was passed by position, if it was not passed by name too."""
    if by_name is unset:
        return by_position
    raise TypeError(
        f"ctx.store.get({key!r}, {by_position!r}, {argument}={by_name!r}) has two values for"
        f" {argument}: the second argument is one already."
    )


def _copy(json: Any) -> Any:
    return orjson.loads(orjson.dumps(json)) if isinstance(json, dict | list) else json


def _validate(key: str, value: Any, as_type: Any) -> Any:
    try:
        return validate_json(TypeAdapter(as_type), value)
    except ValidationError as error:
        raise StoreTypeError(f"ctx.store[{key!r}] does not fit {as_type!r}: {error}") from error
