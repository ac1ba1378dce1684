"""`Field(...)` in the parameters of a handler means what it means in a model of pydantic."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Discriminator, Field, Tag, conint

from grctl.models import Directive
from grctl.models.phases import HandlerKind
from grctl.models.wire import Execute, Execution, Succeeded
from grctl.worker.context import Context
from grctl.worker.executor import carry_out
from grctl.workflow import Workflow
from grctl.workflow.signature import Signature
from tests.worker.binding import bound, refusal


class Cat(BaseModel):
    kind: Literal["cat"]
    age: int


class Dog(BaseModel):
    kind: Literal["dog", "wolf"]
    age: int


def tag_of(value: Any) -> Any:
    return value.get("k") if isinstance(value, dict) else None


def broken() -> int:
    raise KeyError("x")


TAGS: Any = Field(default_factory=list, max_length=2)
ONE_MORE: Any = Field(default_factory=lambda before: before["a"] + 1)
CHOICES: Any = Field(2, validation_alias=AliasChoices("q", AliasPath("a", "b", 0)))
OF_DATACLASSES: Any = dataclasses.field(default_factory=list)
BY_KIND: Any = Field(discriminator="kind")
ByKind = Annotated[Cat | Dog, Field(discriminator="kind")]
Named = Annotated[Cat, Tag("c")] | Annotated[Dog, Tag("d")]


async def plain(ctx: Context, qty: int = Field(default=3, gt=0)) -> None: ...
async def within(ctx: Context, qty: Annotated[int, Field(default=5, gt=0)]) -> None: ...
async def both(ctx: Context, qty: Annotated[int, Field(default=5, gt=0)] = 7) -> None: ...
async def made(ctx: Context, tags: list[str] = TAGS) -> None: ...
async def from_others(ctx: Context, a: int, b: int = ONE_MORE) -> None: ...
async def breaks(ctx: Context, a: int = Field(default_factory=broken)) -> None: ...
async def checked(ctx: Context, qty: int = Field("7", validate_default=True)) -> None: ...
async def unfit(ctx: Context, qty: int = Field("x", validate_default=True)) -> None: ...
async def required(ctx: Context, qty: int = Field(gt=0)) -> None: ...
async def dots(ctx: Context, qty: int = ...) -> None: ...
async def alias(ctx: Context, qty: int = Field(alias="Quantity")) -> None: ...
async def choices(ctx: Context, qty: int = CHOICES) -> None: ...
async def two(ctx: Context, qty: int = Field(alias="Quantity"), note: str = "") -> None: ...
async def strict(ctx: Context, qty: int = Field(strict=True)) -> None: ...
async def conint_(ctx: Context, qty: conint(gt=2) = 3) -> None: ...  # type: ignore[valid-type]
async def of_dataclasses(ctx: Context, tags: list[int] = OF_DATACLASSES) -> None: ...
async def pet(ctx: Context, pet: Cat | Dog = BY_KIND) -> None: ...
async def pets(ctx: Context, pets: list[ByKind], by: str) -> None: ...
async def named(ctx: Context, pet: Annotated[Named, Discriminator(tag_of)]) -> None: ...


@pytest.mark.parametrize(
    ("function", "payload", "arguments"),
    [
        (plain, None, {"qty": 3}),
        (plain, {}, {"qty": 3}),
        (plain, 4, {"qty": 4}),
        (plain, {"qty": 4}, {"qty": 4}),
        (within, None, {"qty": 5}),
        (both, None, {}),  # the function's own default holds
        (made, None, {"tags": []}),
        (made, ["a"], {"tags": ["a"]}),
        (from_others, {"a": 1}, {"a": 1, "b": 2}),
        (from_others, {"a": 1, "b": 5}, {"a": 1, "b": 5}),
        (checked, None, {"qty": 7}),
        (alias, {"Quantity": 1}, {"qty": 1}),
        (alias, {"qty": 1}, {"qty": 1}),
        (alias, 1, {"qty": 1}),
        (choices, None, {"qty": 2}),
        (choices, {"q": 1}, {"qty": 1}),
        (choices, {"a": {"b": [7]}}, {"qty": 7}),
        (two, {"Quantity": 1, "note": "n"}, {"qty": 1, "note": "n"}),
        (conint_, None, {}),
        (of_dataclasses, None, {"tags": []}),
        (pet, {"kind": "wolf", "age": 1}, {"pet": Dog(kind="wolf", age=1)}),
        (pet, {"pet": {"kind": "cat", "age": 1}}, {"pet": Cat(kind="cat", age=1)}),
    ],
)
def test_a_field_gives_default_factory_and_alias(
    function: Callable[..., Any], payload: Any, arguments: dict[str, Any]
) -> None:
    assert bound(function, payload) == arguments


@pytest.mark.parametrize(
    ("function", "payload", "told"),
    [
        (plain, {"qty": 0}, "qty: input should be greater than 0 (it is a number, 0)"),
        (plain, 0, "qty: input should be greater than 0 (it is a number, 0)"),
        (within, 0, "qty: input should be greater than 0 (it is a number, 0)"),
        (both, 0, "qty: input should be greater than 0 (it is a number, 0)"),
        (made, ["a", "b", "c"], "tags: list should have at most 2 items after validation, not 3"),
        (breaks, None, "a: is missing, and its default fails: KeyError: 'x'"),
        (unfit, None, "qty: is missing, and its default fails: Input should be a valid integer"),
        (from_others, {"a": "x"}, "a: input should be a valid integer"),
        (required, None, "qty: is missing"),
        (dots, None, "qty: is missing"),
        (alias, None, "Quantity: is missing"),
        (two, {"note": "n"}, "Quantity: is missing"),
        (choices, {"c": 1}, "c: is unknown"),
        (strict, "1", 'qty: input should be a valid integer (it is a string, "1")'),
        (conint_, 1, "qty: input should be greater than 2"),
    ],
)
def test_a_fields_constraints_hold(function: Callable[..., Any], payload: Any, told: str) -> None:
    assert refusal(function, payload).startswith(told)


@pytest.mark.parametrize(
    ("function", "payload", "told"),
    [
        (pet, {"age": 1}, "pet: unable to extract tag using discriminator 'kind'; tags: 'cat', "),
        (pet, {"pet": {"age": 1}}, "pet: unable to extract tag using discriminator 'kind'; tags: "),
        (pet, {"kind": "fish"}, "pet: input tag 'fish' found using 'kind' does not match any of"),
        (named, {"k": "z"}, "pet: input tag 'z' found using tag_of() does not match any of the"),
        (named, {}, "pet: unable to extract tag using discriminator tag_of(); tags: 'c', 'd'"),
        (pets, {"pets": [{"age": 2}], "by": "x"}, "pets[0]: unable to extract tag using"),
    ],
)
def test_the_tags_of_a_union_are_named(
    function: Callable[..., Any], payload: Any, told: str
) -> None:
    said = refusal(function, payload)

    assert said.startswith(told)
    assert "'c', 'd'" in said or "'cat', 'dog', 'wolf'" in said


@pytest.mark.parametrize(
    ("function", "written"),
    [
        (plain, "plain(qty: int = 3)"),
        (within, "within(qty: int)"),
        (made, "made(tags: list[str] = list())"),
        (required, "required(qty: int)"),
        (dots, "dots(qty: int)"),
        (pet, f"pet(pet: {__name__}.Cat | {__name__}.Dog)"),
    ],
)
def test_a_field_is_written_as_the_default_that_it_gives(
    function: Callable[..., Any], written: str
) -> None:
    assert str(Signature(function)).replace(f"{__name__}.", "") == written.replace(
        f"{__name__}.", ""
    )


def test_the_catalogue_names_the_keys_of_an_alias() -> None:
    schema = Signature(two).json_schema()

    assert schema is not None
    assert schema["properties"]["Quantity"] == schema["properties"]["qty"] == {"type": "integer"}
    assert schema["required"] == []


async def test_a_step_gets_the_default_of_its_field() -> None:
    order = Workflow(workflow_type="Order")

    @order.step()
    async def ship(ctx: Context, copies: int = Field(default=2)) -> Directive:
        return ctx.next.complete(copies + 1)

    execution = Execution(
        id="e",
        namespace="shop",
        workflow_id="a",
        workflow_type="Order",
        run_uid="u",
        commits=1,
        handler_kind=HandlerKind.STEP,
        handler_name="ship",
    )
    outcome = await carry_out({"Order": order}, Execute(execution=execution))

    assert isinstance(outcome, Succeeded)
    assert outcome.directive.result == 3  # type: ignore[union-attr]


def test_a_step_whose_field_has_no_default_is_refused() -> None:
    order = Workflow(workflow_type="Order")

    with pytest.raises(ValueError, match=r"Step ship\(copies: int\) has .* gets no payload"):

        @order.step()
        async def ship(ctx: Context, copies: int = Field(gt=0)) -> Directive:
            return ctx.next.complete()
