"""The parameters of handlers: which kinds and types are refused, and when."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.workflow.signature import Signature

if TYPE_CHECKING:
    from decimal import Decimal


class Line(BaseModel):
    sku: str
    count: int = 1


async def nothing() -> None: ...
async def only_args(*args: Any) -> None: ...
async def only_kwargs(**kwargs: Any) -> None: ...
async def by_name_only(*, ctx: Context) -> None: ...
async def forgot_ctx(order_id: str) -> None: ...
async def forgot_ctx_quoted(order_id: "str") -> None: ...


@pytest.mark.parametrize(
    "function",
    [nothing, only_args, only_kwargs, by_name_only, forgot_ctx, forgot_ctx_quoted],
)
def test_a_handler_without_a_context_first_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=rf"write `async def {function.__name__}\(ctx: Context"):
        Signature(function)


async def with_args(ctx: Context, *rest: str) -> None: ...
async def with_kwargs(ctx: Context, **rest: str) -> None: ...
async def by_position(ctx: Context, item: str, /) -> None: ...


@pytest.mark.parametrize("function", [with_args, with_kwargs, by_position])
def test_a_parameter_that_no_field_can_bind_to_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=f"{function.__name__} takes .*which no payload can bind"):
        Signature(function)


def test_a_step_that_wants_a_payload_is_refused() -> None:
    from grctl.workflow import Workflow

    order = Workflow(workflow_type="ProcessOrder")

    with pytest.raises(ValueError, match=r"Step fulfill\(copies: int\) has .* gets no payload"):

        @order.step()
        async def fulfill(ctx: Context, copies: int) -> Directive:
            return ctx.next.complete(copies)


async def adjust(ctx: Context, line: Line, note: "str | None" = None, *, by: int = 1) -> None: ...


def test_a_signature_is_written_as_in_code_without_the_context() -> None:
    written = "adjust(line: Line, note: str | None = None, by: int = 1)"
    assert str(Signature(adjust)) == written


async def refers_ahead(ctx: "Context", later: "Later") -> None: ...
async def type_checkers_only(ctx: "Unknown", price: "Decimal") -> None: ...  # type: ignore[name-defined]  # noqa: F821


class Later(BaseModel):
    at: int


def test_types_may_be_defined_after_the_handler() -> None:
    (later,) = Signature(refers_ahead).parameters
    value = later.adapter.validate_python({"at": 3})

    assert value == Later(at=3)


def test_a_type_that_is_missing_when_the_worker_runs_is_named() -> None:
    with pytest.raises(ValueError, match=r"price: Decimal\): name 'Decimal' is not defined"):
        _ = Signature(type_checkers_only).parameters


class Connection:
    """A class that pydantic does not know."""


async def takes_a_connection(ctx: Context, connection: Connection) -> None: ...


def test_a_type_that_no_payload_can_make_is_named() -> None:
    with pytest.raises(ValueError, match="connection cannot be made from a payload"):
        _ = Signature(takes_a_connection).parameters


async def takes_nothing(ctx: Context) -> None: ...
async def takes_one(ctx: Context, line: Line) -> None: ...
async def takes_two(ctx: Context, sku: str, count: Annotated[int, Field(gt=0)] = 1) -> None: ...
async def takes_what_has_no_schema(ctx: Context, call: Callable[[], object]) -> None: ...


def test_the_catalogue_has_the_schema_of_the_payloads_that_fit() -> None:
    assert Signature(takes_nothing).json_schema() is None
    assert Signature(takes_what_has_no_schema).json_schema() == {}
    assert Signature(takes_two).json_schema() == {
        "type": "object",
        "properties": {
            "sku": {"type": "string"},
            "count": {"type": "integer", "exclusiveMinimum": 0},
        },
        "required": ["sku"],
        "additionalProperties": False,
    }


def test_the_schema_of_one_parameter_allows_the_whole_payload_and_its_name() -> None:
    schema = Signature(takes_one).json_schema()

    assert schema is not None
    assert schema["anyOf"][0] == {"$ref": "#/$defs/Line"}
    assert schema["anyOf"][1]["properties"] == {"line": {"$ref": "#/$defs/Line"}}
    assert schema["$defs"]["Line"]["required"] == ["sku"]
