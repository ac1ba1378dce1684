"""Our loggers and users' logging in one process, each case in a process of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import logging, logging.config, os, sys
from grctl.logs.setup import set_up
from grctl.logs.loggers import get_logger
set_up("info", "json")
ours = get_logger("grctl.worker.worker")
theirs = logging.getLogger("shop")
"""
END = """
ours.info("stopping", extra={"held": 1})
"""


def entries(program: str) -> list[dict[str, Any]]:
    """Run a program, and return what it logs as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program + END], capture_output=True, check=True, text=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "program",
    [
        "logging.config.dictConfig({'version': 1})",
        "logging.config.dictConfig({'version': 1, 'root': {'level': 'ERROR'}})",
        "logging.config.dictConfig({'version': 1, 'root': {'handlers': []}})",
        "logging.config.dictConfig({'version': 1, 'loggers': {'shop': {'level': 'ERROR'}}})",
        "logging.config.dictConfig({'version': 1}); get_logger('grctl.worker.later')",
        "logging.getLogger().handlers.clear()",
        "logging.getLogger().setLevel('CRITICAL')",
        "logging.disable(logging.CRITICAL)",
        "logging.shutdown()",
        "ours.disabled = True",
        "logging.setLoggerClass(type('Theirs', (logging.Logger,), {}))",
        "logging.raiseExceptions = False",
        "sys.stderr = open(os.devnull, 'w')",
        "sys.stderr = None",
    ],
)
def test_our_records_are_written_whatever_users_configure(program: str) -> None:
    (entry,) = entries(program)
    assert (entry["message"], entry["held"]) == ("stopping", 1)


@pytest.mark.parametrize(
    "program",
    [
        "def raises(*a, **k): raise LookupError\nlogging.setLogRecordFactory(raises)",
        "def raises(record): raise LookupError\nours.addFilter(raises)",
    ],
)
def test_our_records_are_written_although_users_factories_and_filters_fail(program: str) -> None:
    (entry,) = entries(program)
    assert (entry["message"], entry["held"]) == ("stopping", 1)
    assert "LookupError" in entry["log_error"]


@pytest.mark.parametrize(
    "program",
    [
        "h = logging.Handler(); h.emit = lambda record: {}[0]; logging.getLogger().addHandler(h)",
        "sys.stderr.close()",
        "os.close(2)",
    ],
)
def test_a_fault_in_logging_does_not_reach_the_code_that_logs(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{program}\nours.info('x')\nprint('went on')"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "went on\n"


def test_users_may_send_our_records_to_handlers_of_theirs() -> None:
    program = """
class Theirs(logging.Handler):
    def emit(self, record): print("theirs", record.name, file=sys.__stderr__)
logging.config.dictConfig({
    "version": 1, "handlers": {"theirs": {"()": Theirs}}, "root": {"handlers": ["theirs"]},
})
"""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program + END], capture_output=True, check=True, text=True
    )
    assert done.stderr == "theirs grctl.worker.worker\n"


def test_records_below_the_workers_level_are_left_out() -> None:
    assert [each["message"] for each in entries("ours.debug('not shown')")] == ["stopping"]
