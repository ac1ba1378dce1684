import json
import logging
import sys
from typing import Any

import pytest

from grctl.logs import ConsoleFormatter, JsonFormatter


def record(message: str, **fields: Any) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "grctl", **fields})
    made.created = 1_700_000_000.25
    return made


def test_a_line_for_people_holds_time_level_message_and_fields() -> None:
    line = ConsoleFormatter().format(
        record("dispatched", run="shop/order-1", event=None, attempt=2)
    )
    assert line == "22:13:20.250 info    dispatched run=shop/order-1 attempt=2"


def test_a_line_for_people_leaves_out_what_is_hidden_and_json_does_not() -> None:
    shipped = record("shipped", run="order-1", execution="5f", attempt=1)
    line = ConsoleFormatter().format(shipped)
    assert line == "22:13:20.250 info    shipped    run=order-1"
    assert json.loads(JsonFormatter().format(shipped))["execution"] == "5f"


def test_short_messages_of_people_stand_in_a_column_and_a_bare_one_has_no_blanks_behind() -> None:
    settled = ConsoleFormatter().format(record("settled", run="order-1"))
    dispatched = ConsoleFormatter().format(record("dispatched", run="order-1"))
    assert settled.index("run=") == dispatched.index("run=")
    assert ConsoleFormatter().format(record("stopped")) == "22:13:20.250 info    stopped"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('no "x" here', r'"no \"x\" here"'),
        ("two\nlines", r'"two\nlines"'),
        ("a=b", '"a=b"'),
        ("", '""'),
        ("order-1", "order-1"),
        (7, "7"),
    ],
)
def test_a_value_is_quoted_where_it_could_not_be_told_where_it_ends(
    value: object, shown: str
) -> None:
    line = ConsoleFormatter().format(record("refused", error=value))
    assert line.endswith(f"error={shown}")


def test_json_holds_the_same() -> None:
    entry = json.loads(JsonFormatter().format(record("dispatched", run="shop/order-1")))
    assert entry["message"] == "dispatched"
    assert entry["run"] == "shop/order-1"
    assert entry["time"] == "2023-11-14T22:13:20.250+00:00"


def test_a_traceback_comes_with_either() -> None:
    try:
        raise ZeroDivisionError("by nothing")  # noqa: TRY301
    except ZeroDivisionError:
        failed = record("failed", exc_info=sys.exc_info())
    assert "ZeroDivisionError: by nothing" in ConsoleFormatter().format(failed)
    assert (
        "ZeroDivisionError: by nothing" in json.loads(JsonFormatter().format(failed))["traceback"]
    )
