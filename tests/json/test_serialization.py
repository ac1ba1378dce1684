"""Values that can be kept, the JSON that they become, and errors about other values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
import pydantic
import pytest
from pydantic import BaseModel, Field, Secret, SecretStr, field_serializer

from grctl.json.serialization import NotJsonError, TooLargeError, check_size, to_json


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Mode(StrEnum):
    FAST = "fast"


class Line(BaseModel):
    sku: str = Field(alias="SKU")
    price: Decimal


@dataclass
class Order:
    id: UUID
    lines: list[Line]
    seen: set[str] = field(default_factory=set)


@pydantic.dataclasses.dataclass
class Place:
    street: str


class Plain:
    """A class without JSON."""


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2.5, 2.5),
        ("text", "text"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Mode.FAST, "fast"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(hours=1), "PT1H"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("9.90"), "9.90"),
        ((1, (2,)), [1, [2]]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({Mode.FAST: 1, UUID(int=1): 2}, {"fast": 1, str(UUID(int=1)): 2}),
        (Line(SKU="a", price=Decimal(1)), {"SKU": "a", "price": "1"}),
        (Place("Main"), {"street": "Main"}),
        (
            Order(UUID(int=1), [Line(SKU="a", price=Decimal(1))], {"x"}),
            {"id": str(UUID(int=1)), "lines": [{"SKU": "a", "price": "1"}], "seen": ["x"]},
        ),
    ],
)
def test_these_values_are_kept_as_this_json(value: Any, json: Any) -> None:
    kept = to_json(value, "it")

    assert kept == json
    assert orjson.loads(orjson.dumps(kept)) == json


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Plain(), "it is a tests.json.test_serialization.Plain, which cannot be kept"),
        (Plain, "it is a class tests.json.test_serialization.Plain"),
        (Line, "it is a class tests.json.test_serialization.Line"),
        (b"raw", "it is a bytes.* with base64"),
        (iter([1]), "it is a list_iterator"),
        ({"a": [1, Plain()]}, r"it\['a'\]\[1\] is a .*Plain"),
        (Order(UUID(int=1), [Plain()]), r"it.lines\[0\] is a .*Plain"),  # type: ignore[list-item]
        (math.nan, r"it is nan \(float\), which JSON does not have"),
        ({"a": -math.inf}, r"it\['a'\] is -inf"),
        (Decimal("NaN"), r"it is NaN \(Decimal\)"),
        (2**63, "it is an integer of 64 bits"),
        (10**400, "it is an integer of 1329 bits"),
        ({1: "a"}, r"it has the key 1 \(int\); keys in JSON are text: use str\(1\)"),
        ({Colour.RED: 1, "red": 2}, "it has two keys that are 'red' in JSON, one is 'red'"),
        (
            {"a": {date(2026, 1, 2): 1, "2026-01-02": 2}},
            r"it\['a'\] has two keys that are '2026-01",
        ),
        ("\ud800", "it is text that is not Unicode"),
        (LOOP, "nested deeper than 100 levels, or holds itself"),
    ],
)
def test_anything_else_is_refused_by_its_place_and_type(value: Any, told: str) -> None:
    with pytest.raises(NotJsonError, match=told):
        to_json(value, "it")


def test_a_nan_inside_a_model_is_refused_too() -> None:
    class Measured(BaseModel):
        value: float

    with pytest.raises(NotJsonError, match=r"it\['value'\] is nan"):
        to_json(Measured(value=math.nan), "it")


class Login(BaseModel):
    user: str
    password: SecretStr | None = None
    pins: list[Secret[int]] = []


class Shown(BaseModel):
    password: SecretStr

    @field_serializer("password")
    def _show(self, password: SecretStr) -> str:
        return password.get_secret_value()


@pytest.mark.parametrize(
    "value",
    [
        SecretStr("x"),
        Login(user="ann", password=SecretStr("x")),
        Login(user="ann", pins=[Secret(1)]),
        {"a": [Login(user="ann", password=SecretStr("x"))]},
    ],
    ids=repr,
)
def test_a_secret_that_would_become_asterisks_is_refused(value: Any) -> None:
    with pytest.raises(NotJsonError, match=r"it.* with a secret, which would be kept as '\*+':"):
        to_json(value, "it")


def test_a_model_whose_secret_is_left_out_or_written_is_kept() -> None:
    assert to_json(Login(user="ann"), "it") == {"user": "ann", "password": None, "pins": []}
    assert to_json(Shown(password=SecretStr("x")), "it") == {"password": "x"}


def test_a_model_that_cannot_be_written_is_refused() -> None:
    class Holder(BaseModel):
        anything: Any

    with pytest.raises(NotJsonError, match=r"it is a .*Holder without JSON: .*Plain"):
        to_json(Holder(anything=Plain()), "it")


@pytest.mark.parametrize("value", [{"a": [1]}, [{"a": 1}]])
def test_the_json_shares_no_object_with_the_value(value: Any) -> None:
    kept = to_json(value, "it")
    before = orjson.dumps(kept)
    inner = value["a"] if isinstance(value, Mapping) else value[0]

    inner.clear()

    assert orjson.dumps(kept) == before


def test_the_error_about_a_large_value_has_its_size_and_the_limit() -> None:
    check_size("x" * 8, 10, "it")

    with pytest.raises(TooLargeError, match=r"it is 2.0 KiB of JSON; at most 1.0 KiB are kept"):
        check_size("x" * 2046, 1024, "it")
