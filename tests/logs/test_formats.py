import json
import logging
import sys
from typing import Any

import orjson
import pytest

from grctl.logs.formats import ConsoleFormatter, JsonFormatter


def record(message: str, **fields: Any) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "grctl", **fields})
    made.created = 1_700_000_000.25
    return made


def test_a_line_for_people_holds_time_level_message_and_fields() -> None:
    line = ConsoleFormatter().format(
        record("dispatched", run="shop/order-1", event=None, attempt=2)
    )
    assert line == "22:13:20.250 info    dispatched run=shop/order-1 attempt=2"


def test_a_line_for_people_leaves_out_hidden_fields_and_json_has_them() -> None:
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
        ("\x1b[2J", r"\x1b[2J"),
        ("a \x1b[2J", r'"a \u001b[2J"'),
        ("\x9b31m", r"\x9b31m"),
        ("half \ud800", r'"half \ud800"'),
        ("turned\u202e", r"turned\u202e"),
    ],
)
def test_a_value_with_a_space_or_a_quote_is_quoted(value: object, shown: str) -> None:
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


def test_a_message_for_people_holds_nothing_that_a_terminal_obeys() -> None:
    line = ConsoleFormatter().format(record("paid \x1b]0;mine\x07 \x1b[31m"))
    assert line.endswith(r"info    paid \x1b]0;mine\x07 \x1b[31m")


def test_further_lines_of_a_record_do_not_look_like_records() -> None:
    text = "two\n22:13:20.250 error forged"
    try:
        raise ValueError(text)  # noqa: TRY301
    except ValueError:
        lines = ConsoleFormatter().format(record(text, exc_info=sys.exc_info())).splitlines()
    assert lines[0].endswith("info    two")
    assert all(line.startswith("  ") for line in lines[1:])


class Unprintable:
    def __str__(self) -> str:
        raise LookupError

    __repr__ = __str__


def holding_itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNUSUAL = [
    ({1: 2}, {"1": 2}),
    (2**64, str(2**64)),
    (-(2**64), str(-(2**64))),
    ({"a": [2**70]}, {"a": [str(2**70)]}),
    ("half \ud800", "half \\ud800"),
    ({"\ud800": "\udfff"}, {"\\ud800": "\\udfff"}),
    ({(1, 2): None, None: b"x"}, {"(1, 2)": None, "None": "b'x'"}),
    (Unprintable(), "(Unprintable without text: LookupError)"),
    ([Unprintable(), {1: 1}], ["(Unprintable without text: LookupError)", {"1": 1}]),
    (float("nan"), None),
]


@pytest.mark.parametrize(("value", "written"), UNUSUAL)
def test_json_holds_every_value(value: Any, written: Any) -> None:
    line = JsonFormatter().format(record("shipped", what=value, run="shop/order-1"))
    entry = json.loads(line)
    assert (entry["message"], entry["run"], entry["what"]) == ("shipped", "shop/order-1", written)
    orjson.loads(line)


@pytest.mark.parametrize("value", [holding_itself(), nested(300), nested(100_000)])
def test_json_holds_a_value_without_an_end_as_text(value: Any) -> None:
    entry = json.loads(JsonFormatter().format(record("shipped", what=value, run="shop/order-1")))
    assert (entry["message"], entry["run"]) == ("shipped", "shop/order-1")
    assert "what" in entry


@pytest.mark.parametrize("value", [value for value, _ in UNUSUAL] + [holding_itself()])
def test_a_line_for_people_holds_every_value(value: Any) -> None:
    line = ConsoleFormatter().format(record("shipped", what=value, run="shop/order-1"))
    assert "run=shop/order-1" in line
    assert " what=" in line
    line.encode()


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "fields",
    [
        {"msg": Unprintable()},
        {"msg": "took %d", "args": ("three",)},
        {"msg": "took %s", "args": ()},
        {"msg": "took %s and %s", "args": ("one",)},
        {"msg": 7},
        {"msg": "half \ud800"},
        {"levelname": "\x1b[31m"},
        {"exc_info": (ValueError, Unprintable(), None)},
        {"created": float("nan")},
        {"created": "yesterday"},
    ],
    ids="-".join,
)
def test_a_record_is_written_whatever_is_wrong_with_it(
    formatter: logging.Formatter, fields: dict[str, Any]
) -> None:
    line = formatter.format(record("shipped", **fields))
    assert line
    assert "\x1b" not in line
    line.encode()


def test_a_field_does_not_replace_a_key_of_every_entry() -> None:
    entry = json.loads(JsonFormatter().format(record("shipped", level="debug", logger="mine")))
    assert (entry["level"], entry["level_"], entry["logger_"]) == ("info", "debug", "mine")


def test_a_stack_is_written() -> None:
    shipped = record("shipped", stack_info="Stack (most recent call last):\n  here")
    assert "  here" in ConsoleFormatter().format(shipped)
    assert "  here" in json.loads(JsonFormatter().format(shipped))["traceback"]
