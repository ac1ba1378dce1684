"""A pydantic value that is put into the store comes back as the same value."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, NamedTuple
from uuid import UUID

import pydantic
import pytest
from pydantic import (
    AliasChoices,
    AliasGenerator,
    AliasPath,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    computed_field,
)

from grctl.json.serialization import to_json
from grctl.worker.store import Store


class Kind(Enum):
    NEW = "new"


class Level(IntEnum):
    HIGH = 3


class Exact(BaseModel):
    model_config = ConfigDict(strict=True)

    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    day: date = date(2026, 1, 2)
    hour: time = time(3, 4)
    after: timedelta = timedelta(hours=1)
    kind: Kind = Kind.NEW
    level: Level = Level.HIGH
    by: UUID = UUID(int=1)
    ids: set[int] = {1, 2}
    names: frozenset[str] = frozenset("ab")
    pair: tuple[int, str] = (1, "a")
    price: Decimal = Decimal("9.90")
    ratio: float = 1.0
    raw: bytes = b"x"
    counts: dict[int, str] = {1: "a"}


class ReadAs(BaseModel):
    name: str = Field(validation_alias="Name")


class WrittenAs(BaseModel):
    name: str = Field(serialization_alias="Name")


class ReadAndWrittenAs(BaseModel):
    name: str = Field(validation_alias="in", serialization_alias="out")


class Named(BaseModel):
    name: str = Field(alias="Name")


class Chosen(BaseModel):
    name: str = Field(validation_alias=AliasChoices("a", "b"), serialization_alias="b")


class Deep(BaseModel):
    name: str = Field(validation_alias=AliasPath("a", 0))


class Generated(BaseModel):
    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=str.upper, serialization_alias=str.title)
    )

    some: int


class Tree(BaseModel):
    below: list["Tree"] = Field(default=[], serialization_alias="children")
    number: int = 0


class Holder(BaseModel):
    items: list[ReadAndWrittenAs]
    by_key: dict[str, WrittenAs]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return self.size * 2


class Text(BaseModel):
    numbers: Json[list[int]]


class Encoded(BaseModel):
    raw: Base64Bytes


class Root(RootModel[list[int]]):
    pass


@pydantic.dataclasses.dataclass
class Place:
    street: str = Field(serialization_alias="Street")


@dataclass
class Order:
    place: Place
    lines: list[WrittenAs]
    seen: set[int] = field(default_factory=set)


class Pair(NamedTuple):
    number: int
    text: str


VALUES: list[Any] = [
    Exact(),
    ReadAs(Name="a"),
    WrittenAs(name="a"),
    ReadAndWrittenAs(**{"in": "a"}),
    Named(Name="a"),
    Chosen(a="a"),
    Deep(a=["a"]),
    Generated(SOME=1),
    Tree(below=[Tree(number=1)]),
    Holder(items=[ReadAndWrittenAs(**{"in": "a"})], by_key={"a": WrittenAs(name="b")}),
    Closed(size=2),
    Text(numbers="[1]"),
    Encoded(raw=b"aGk="),
    Root([1]),
    Place("Main"),
    Order(Place("Main"), [WrittenAs(name="a")], {1}),
    Pair(1, "a"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
async def test_a_value_comes_back_as_it_was(value: Any) -> None:
    store = Store({})
    store.put("k", value)

    assert await store.get("k", as_type=type(value)) == value


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([WrittenAs(name="a")], list[WrittenAs]),
        ({"a": ReadAndWrittenAs(**{"in": "a"})}, dict[str, ReadAndWrittenAs]),
        ((1, Level.HIGH), tuple[int, Level]),
        ({Kind.NEW: Decimal("1.50")}, dict[Kind, Decimal]),
    ],
    ids=repr,
)
async def test_a_container_of_values_comes_back_as_it_was(values: Any, kind: Any) -> None:
    store = Store({})
    store.put("k", values)

    assert await store.get("k", as_type=kind) == values


def test_an_alias_is_kept_if_the_class_reads_it() -> None:
    assert to_json(Named(Name="a"), "it", comes_back=True) == {"Name": "a"}
    assert to_json(Chosen(a="a"), "it", comes_back=True) == {"b": "a"}


def test_payloads_and_results_are_written_by_serialization_aliases() -> None:
    assert to_json(WrittenAs(name="a"), "it") == {"Name": "a"}
    assert to_json(Closed(size=2), "it") == {"size": 2, "twice": 4}
