"""@task: called as the function that it wraps."""

from typing import TYPE_CHECKING, Any

import pytest

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


if TYPE_CHECKING:  # checked by mypy, which complains of an ignore that ignores nothing
    _ = greet(3)  # type: ignore[arg-type]
