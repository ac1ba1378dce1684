"""Which calls are the same: keys and idempotency keys."""

import inspect
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from grctl.json.serialization import NotJsonError
from grctl.worker.call_identity import fingerprint_of
from grctl.worker.task import current_task, task
from tests.worker.shop import Receipt, charge


def signature(order: str, amount: float = 1, *more: Any, **named: Any) -> None:
    """Take arguments of each kind."""


def hash_of(*args: Any, **kwargs: Any) -> str:
    return fingerprint_of("charge", inspect.signature(signature), args, kwargs)


def test_an_argument_is_the_same_by_position_and_by_name() -> None:
    assert hash_of("abc", 7) == hash_of(amount=7, order="abc")


def test_a_number_is_the_same_before_and_after_it_was_stored() -> None:
    assert hash_of("abc", 10.0) == hash_of("abc", 10)
    assert hash_of("abc", 1, [10.0]) == hash_of("abc", 1, [10])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("abc",), ("abd",)),
        (("abc",), ("abc", 1)),
        (("abc", 1), ("abc", True)),
        (("abc", 1), ("abc", 1, None)),
        (("abc", 1.5), ("abc", "1.5")),
        (({"a": 1, "b": 2},), ({"a": 2, "b": 1},)),
    ],
)
def test_other_arguments_are_another_call(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert hash_of(*one) != hash_of(*other)


def test_models_and_the_order_of_keys_do_not_matter() -> None:
    receipt = Receipt(id="r", amount=1)
    assert hash_of("a", receipt) == hash_of("a", {"amount": 1, "id": "r"})
    assert hash_of("a", Decimal("1.5")) == hash_of("a", "1.5")


def test_an_argument_that_is_not_json_is_named_with_what_to_do() -> None:
    with pytest.raises(NotJsonError) as caught:
        hash_of("abc", 1, client=object())
    assert str(caught.value).startswith(
        "Task charge is recorded under its arguments as JSON, but 'named'['client'] is a object,"
    )
    assert str(caught.value).endswith(
        "Pass JSON, or define it with @task(record=False): then it runs again in each attempt at"
        " the handler."
    )


def test_the_function_of_a_task_alone_has_a_current_task() -> None:
    with pytest.raises(LookupError, match="none runs here"):
        current_task()


async def test_outside_of_a_handler_each_call_has_a_new_key() -> None:
    keys = []

    @task
    async def tells() -> str:
        keys.append(current_task())
        return current_task().name

    assert [await tells(), await tells()] == ["tells", "tells"]
    first, second = (UUID(each.idempotency_key) for each in keys)
    assert first != second
    assert (await charge("abc")).amount == 120
