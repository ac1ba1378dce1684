"""From payloads to arguments: the documented rules, and messages that list the problems."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Self
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from grctl.worker.context import Context
from tests.worker.binding import bound, refusal


class Line(BaseModel):
    sku: str
    count: int = 1


@dataclass
class Place:
    street: str


class Strange(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def _known(cls, code: str) -> str:
        return {"a": "alpha"}[code]


class Note(BaseModel):
    note: str
    author: str = ""


class Loose(BaseModel):
    text: str = ""


class Span(BaseModel):
    first: int
    last: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError("first must be at most last")
        return self


class Kind(Enum):
    NEW = "new"


class Exact(BaseModel):
    model_config = ConfigDict(strict=True)

    at: datetime
    day: date
    kind: Kind
    by: UUID
    ids: set[int]
    pair: tuple[int, str]
    price: Decimal
    after: timedelta
    raw: bytes
    counts: dict[int, float]


class Renamed(BaseModel):
    name: str = Field(validation_alias="Name")


async def nothing(ctx: Context) -> None: ...
async def note(ctx: Context, note: Note) -> None: ...
async def loose(ctx: Context, loose: Loose) -> None: ...
async def span(ctx: Context, span: Span) -> None: ...
async def exact(ctx: Context, exact: Exact) -> None: ...
async def renamed(ctx: Context, renamed: Renamed) -> None: ...
async def priority(ctx: Context, priority: str) -> None: ...
async def priority_or_low(ctx: Context, priority: str = "low") -> None: ...
async def line(ctx: Context, line: Line) -> None: ...
async def lines(ctx: Context, lines: list[Line]) -> None: ...
async def data(ctx: Context, data: dict[str, int]) -> None: ...
async def maybe(ctx: Context, note: str | None) -> None: ...
async def either(ctx: Context, value: int | bool) -> None: ...
async def untyped(ctx: Context, value) -> None: ...  # type: ignore[no-untyped-def]
async def update_quantity(ctx: Context, item_id: str, qty: int) -> None: ...
async def move(ctx: Context, to: Place, at: datetime, *, by: UUID | None = None) -> None: ...
async def pay(ctx: Context, price: Decimal, times: Annotated[int, Field(gt=0)] = 1) -> None: ...
async def strange(ctx: Context, strange: Strange, note: str = "") -> None: ...


@pytest.mark.parametrize("payload", [None, "high", {"any": "thing"}, [1, 2]])
def test_without_parameters_the_payload_is_ignored(payload: Any) -> None:
    assert bound(nothing, payload) == {}


def test_a_scalar_is_the_one_parameter() -> None:
    assert bound(priority, "high") == {"priority": "high"}


def test_an_object_that_holds_the_one_parameters_name_gives_that_value() -> None:
    assert bound(priority, {"priority": "high"}) == {"priority": "high"}


def test_any_other_payload_is_the_one_parameter_as_a_whole() -> None:
    assert bound(line, {"sku": "a", "count": 2}) == {"line": Line(sku="a", count=2)}
    assert bound(lines, [{"sku": "a"}]) == {"lines": [Line(sku="a")]}
    assert bound(data, {"a": 1}) == {"data": {"a": 1}}
    assert bound(data, {"data": {"a": 1}}) == {"data": {"a": 1}}
    assert bound(untyped, {"a": 1}) == {"value": {"a": 1}}


@pytest.mark.parametrize(
    ("function", "payload", "value"),
    [
        (note, {"note": "a", "author": "Ada"}, Note(note="a", author="Ada")),
        (note, {"note": "a"}, Note(note="a")),
        (note, {"note": ""}, Note(note="")),
        (data, {"data": 1, "other": 2}, {"data": 1, "other": 2}),
        (untyped, {"value": 1, "other": 2}, {"value": 1, "other": 2}),
    ],
)
def test_the_whole_payload_is_taken_if_its_value_of_that_name_does_not_fit(
    function: Callable[..., Any], payload: Any, value: Any
) -> None:
    assert list(bound(function, payload).values()) == [value]


def test_the_value_of_the_parameters_name_is_taken_if_both_readings_fit() -> None:
    assert bound(note, {"note": {"note": "a"}}) == {"note": Note(note="a")}
    assert bound(data, {"data": {"data": 1}}) == {"data": {"data": 1}}
    assert bound(untyped, {"value": {"value": 1}}) == {"value": {"value": 1}}
    assert bound(loose, {"loose": {"text": "a"}}) == {"loose": Loose(text="a")}


def test_a_model_that_ignores_the_parameters_name_does_not_take_the_whole_payload() -> None:
    assert refusal(loose, {"loose": {"text": "a"}, "urgent": True}) == "urgent: is unknown"
    assert refusal(loose, {"loose": 3}).startswith("loose: input should be an object")


def test_the_message_of_a_models_own_validator_is_quoted() -> None:
    told = "span: value error, first must be at most last"

    assert refusal(span, {"first": 2, "last": 1}).startswith(told)
    assert refusal(span, {"span": {"first": 2, "last": 1}}).startswith(told)


def test_a_strict_model_takes_the_json_of_its_types() -> None:
    payload = {
        "at": "2026-01-02T03:04:05Z",
        "day": "2026-01-02",
        "kind": "new",
        "by": str(UUID(int=1)),
        "ids": [1, 2],
        "pair": [1, "a"],
        "price": "9.90",
        "after": "PT1H",
        "raw": "x",
        "counts": {"1": 2},
    }
    value = bound(exact, payload)["exact"]

    assert value == Exact(
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        day=date(2026, 1, 2),
        kind=Kind.NEW,
        by=UUID(int=1),
        ids={1, 2},
        pair=(1, "a"),
        price=Decimal("9.90"),
        after=timedelta(hours=1),
        raw=b"x",
        counts={1: 2.0},
    )
    assert refusal(exact, payload | {"ids": ["1"]}).startswith("exact.ids[0]: input should be a")


def test_a_models_field_is_found_by_its_alias_and_by_its_name() -> None:
    assert bound(renamed, {"Name": "a"}) == bound(renamed, {"name": "a"})
    assert refusal(renamed, {}) == "renamed.Name: is missing"


def test_several_parameters_take_an_object_by_name() -> None:
    payload = {"qty": 2, "item_id": "a"}

    assert bound(update_quantity, payload) == {"item_id": "a", "qty": 2}


def test_values_have_the_types_of_the_annotations() -> None:
    came = {
        "to": {"street": "Main"},
        "at": "2026-01-02T03:04:05Z",
        "by": "00000000-0000-0000-0000-000000000001",
    }

    assert bound(move, came) == {
        "to": Place("Main"),
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "by": UUID(int=1),
    }
    assert bound(pay, {"price": "9.90", "times": 2}) == {"price": Decimal("9.90"), "times": 2}


@pytest.mark.parametrize("payload", [None, {}])
def test_without_a_payload_defaults_hold(payload: Any) -> None:
    assert bound(priority_or_low, payload) == {}
    assert bound(pay, {"price": 1}) == {"price": Decimal(1)}


def test_null_is_the_value_of_a_parameter_that_takes_it() -> None:
    assert bound(maybe, None) == {"note": None}


def test_a_missing_field_is_named() -> None:
    assert refusal(update_quantity, {"item_id": "a"}) == "qty: is missing"
    assert refusal(update_quantity, None) == "item_id: is missing; qty: is missing"
    assert refusal(priority, None) == "priority: is missing"


def test_an_unknown_field_is_named_also_beside_the_one_parameter() -> None:
    payload = {"item_id": "a", "qty": 1, "colour": "red"}

    assert refusal(update_quantity, payload) == "colour: is unknown"
    assert refusal(priority, {"priority": "high", "urgent": True}) == "urgent: is unknown"
    assert refusal(priority_or_low, {"urgent": True}) == "urgent: is unknown"


def test_a_mistyped_field_of_the_one_parameter_is_both() -> None:
    assert refusal(priority, {"prioritty": "high"}) == "priority: is missing; prioritty: is unknown"


def test_a_value_of_a_wrong_type_is_quoted_with_its_type() -> None:
    assert refusal(update_quantity, {"item_id": "a", "qty": "three"}) == (
        "qty: input should be a valid integer, unable to parse string as an integer"
        ' (it is a string, "three")'
    )
    assert refusal(priority, 3) == ("priority: input should be a valid string (it is a number, 3)")


def test_a_field_inside_the_one_parameter_is_named_by_its_place() -> None:
    assert refusal(line, {"count": 1}) == "line.sku: is missing"
    assert refusal(lines, [{"sku": "a"}, {"sku": None}]) == (
        "lines[1].sku: input should be a valid string (it is null)"
    )


def test_one_error_lists_all_problems() -> None:
    told = refusal(update_quantity, {"qty": [], "colour": "red"})

    assert [each.split(":")[0] for each in told.split("; ")] == ["item_id", "qty", "colour"]


def test_the_error_for_a_scalar_lists_the_fields_of_several_parameters() -> None:
    assert refusal(update_quantity, "a") == (
        'it is a string, "a", not an object with the fields item_id, qty'
    )


def test_a_constraint_of_an_annotation_holds() -> None:
    assert refusal(pay, {"price": 1, "times": 0}).startswith(
        "times: input should be greater than 0"
    )


def test_a_validator_that_breaks_refuses_the_payload() -> None:
    assert refusal(strange, {"strange": {"code": "z"}}).startswith("strange: KeyError: 'z'")


@pytest.mark.parametrize("function", [priority, untyped, line, update_quantity])
@pytest.mark.parametrize("levels", [210, 300, 900])
def test_a_payload_that_is_nested_too_deep_is_refused(
    function: Callable[..., Any], levels: int
) -> None:
    payload: Any = 1
    for _ in range(levels):
        payload = [payload]

    assert len(refusal(function, payload)) < 400


def test_a_long_value_is_quoted_shortly() -> None:
    assert len(refusal(update_quantity, {"item_id": "a", "qty": "x" * 10_000})) < 250
