"""@task: called as the function that it wraps."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from grctl.models import RetryPolicy
from grctl.worker.task import task


@task
async def greet(name: str, *, politely: bool = False) -> str:
    """Greet somebody."""
    return f"Good day, {name}" if politely else f"Hello, {name}"


async def test_a_task_is_called_as_its_function() -> None:
    assert await greet("Ada") == "Hello, Ada"
    assert await greet("Ada", politely=True) == "Good day, Ada"
    assert (greet.name, greet.__doc__) == ("greet", "Greet somebody.")


@pytest.mark.parametrize("wrong", [print, lambda: None, 3])
def test_anything_but_an_async_function_is_refused_with_the_line_to_write(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot be a task.*write `async def .*\(\.\.\.\):`"):
        task(wrong)


@task(retry_policy=RetryPolicy(max_attempts=3), timeout=timedelta(seconds=1))
async def charge(order: str, amount: int) -> int:
    return amount


async def test_a_task_with_options_is_called_as_its_function() -> None:
    assert await charge("abc", amount=7) == 7
    assert charge.options.retry_policy.attempts == 3


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"retry_policy": 3}, TypeError, "write RetryPolicy(max_attempts=...)"),
        ({"timeout": 20}, TypeError, "write timedelta(seconds=20)"),
        ({"timeout": timedelta(0)}, ValueError, "timeout must be 1 ms to"),
        ({"once": "yes"}, TypeError, "once must be True or False, not 'yes'"),
        ({"record": None}, TypeError, "record must be True or False, not None"),
        ({"once": True, "record": False}, ValueError, "leave out record=False"),
        (
            {"once": True, "retry_policy": RetryPolicy(max_attempts=2)},
            ValueError,
            "retry_policy has 2 attempts: leave out one of both",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_refused_at_the_definition(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        task(**options)
    assert told in str(caught.value)


def test_anything_but_an_async_function_is_refused_with_options_too() -> None:
    wrong: Any = print
    with pytest.raises(ValueError, match=r"'print' .* cannot be a task"):
        task(once=True)(wrong)


if TYPE_CHECKING:  # checked by mypy, which complains of an ignore that ignores nothing
    _ = greet(3)  # type: ignore[arg-type]
    _number = charge("abc")  # type: ignore[call-arg]
    _number = charge("abc", "7")  # type: ignore[arg-type]
    task(timeout=3)  # type: ignore[call-overload]

    async def _typed() -> tuple[str, int]:
        return await greet("Ada"), await charge("abc", 7)
