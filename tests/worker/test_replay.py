"""Entries of the journal, and the values and errors that are made of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from grctl.models.journal import is_final
from grctl.worker.replay import MAX_ERROR_MESSAGE_BYTES, error_entry, error_of, result_entry
from grctl.worker.task import TaskFailedError
from tests.worker.shop import CardDeclinedError, LimitError

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def replayed(error: BaseException) -> BaseException:
    """Return an error as a replay raises it."""
    return error_of("charge", error_entry(error, 1, NOW))


@pytest.mark.parametrize(
    "error",
    [
        CardDeclinedError("no money"),
        LimitError(10),
        LookupError("x"),
        LookupError(),
        FileNotFoundError(2, "No such file"),
    ],
)
def test_an_error_comes_back_as_its_class_with_its_text(error: BaseException) -> None:
    again = replayed(error)
    assert (type(again), str(again)) == (type(error), str(error))


def test_a_class_of_a_function_comes_back_if_it_is_loaded_once() -> None:
    def define() -> type[Exception]:
        class LocalError(Exception):
            pass

        return LocalError

    first = define()
    assert type(replayed(first("x"))) is first
    second = define()
    assert second is not first
    assert type(replayed(first("x"))) is TaskFailedError


@pytest.mark.parametrize("name", ["no.such.Error", "sys.path", "Error", "", "os.system", "os"])
def test_a_name_that_is_not_of_an_error_is_a_task_failed_error(name: str) -> None:
    error = error_of("charge", {"error": {"type": name, "message": "x"}})
    assert str(error) == f"task charge failed: {name}: x"


@pytest.mark.parametrize("entry", [{"error": {}}, {"error": None}, {"error": {"type": 3}}])
def test_an_entry_that_somebody_changed_is_an_error_all_the_same(entry: dict[str, Any]) -> None:
    assert isinstance(error_of("charge", entry), TaskFailedError)


def test_a_long_message_is_cut() -> None:
    entry = error_entry(LookupError("€" * 10_000), 1, NOW)
    assert len(entry["error"]["message"].encode()) <= MAX_ERROR_MESSAGE_BYTES


def test_the_entries_of_ends_are_final() -> None:
    assert is_final(result_entry("charge", None, 1, NOW))
    assert is_final(error_entry(LookupError("x"), 3, NOW))
