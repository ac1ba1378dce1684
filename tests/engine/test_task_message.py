"""What people read of tasks that are tried again; the journal's entries are free JSON."""

from typing import Any

import pytest

from grctl_operator.engine.task_message import (
    MAX_ERROR_BYTES,
    name_of_task,
    retrying_text,
    tasks_clause,
)
from tests.engine.builders import failing, key_of, ok


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (ok(1), None),
        ({}, None),
        ({"failed": "often"}, None),
        ({"failed": 2}, "task charge failed 2 times"),
        ({"failed": 2, "of": 5, "error": "broken", "next": 7}, "task charge failed 2 of 5 times"),
        ({"failed": 1, "error": {"type": "E"}}, "task charge failed once (E)"),
        (
            failing(2),
            (
                "task charge failed 2 of 5 times (ConnectionError: no answer), next attempt at"
                " 12:04:10Z"
            ),
        ),
    ],
    ids=str,
)
def test_an_entry_is_told_as_far_as_it_can_be_read(entry: Any, text: str | None) -> None:
    assert retrying_text(key_of("charge"), entry) == text


def test_a_long_error_is_cut() -> None:
    entry = {"failed": 1, "error": {"type": "E", "message": "x" * 5000}}

    assert len(retrying_text(key_of("charge"), entry) or "") < MAX_ERROR_BYTES + 100


def test_the_name_of_a_task_may_hold_a_slash() -> None:
    assert name_of_task("a/b/5f/1") == "a/b"
    assert name_of_task("now") == "now"


def test_three_tasks_are_named_and_the_others_are_counted() -> None:
    entries = {key_of(f"t{number}"): {"failed": number} for number in range(1, 6)}

    assert tasks_clause(entries) == (
        "task t1 failed once; task t2 failed 2 times; task t3 failed 3 times; 2 more"
    )
    assert tasks_clause({key_of("t"): ok(1)}) == ""
