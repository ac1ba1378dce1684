"""What tests report at the end of a run, also when they pass: times, seeds, counts.

`tests/conftest.py` offers the fixture `report`, and writes the reports.
"""

from collections.abc import Callable

import pytest

PREFIX = "reported: "

Report = Callable[[str, object], None]
"""Takes what a value is of, and the value."""


def reporter(record_property: Callable[[str, object], None]) -> Report:
    """Return how a test reports."""
    return lambda what, value: record_property(f"{PREFIX}{what}", value)


def write_reports(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what all tests reported."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for what, value in report.user_properties:
            if report.when == "call" and what.startswith(PREFIX):
                text = what.removeprefix(PREFIX)
                terminalreporter.write_line(f"{report.head_line}: {text}: {value}")


def seconds(value: float) -> str:
    """Return a duration as it is reported."""
    return f"{value:.2f} s"
