import json
import logging
from typing import Any

from grctl.cli.logs import ConsoleFormatter, JsonFormatter


def record(message: str, **fields: Any) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "grctl", **fields})
    made.created = 1_700_000_000.25
    return made


def test_a_line_for_people_leaves_out_what_they_do_not_look_for() -> None:
    line = ConsoleFormatter().format(
        record("shipped it", run="order-1", namespace="default", execution="5f", event=None)
    )
    assert line == "22:13:20.250 info    shipped it run=order-1"


def test_collectors_get_every_field() -> None:
    entry = json.loads(JsonFormatter().format(record("shipped", run="order-1", execution="5f")))
    assert (entry["message"], entry["run"], entry["execution"]) == ("shipped", "order-1", "5f")
