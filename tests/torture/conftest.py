"""What torture has to say in the end, also when it passes: its seed, and what it went through."""

from collections.abc import Callable

import pytest


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Have something shown in the end."""
    return lambda what, value: record_property(f"torture: {what}", value)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show it."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for what, value in report.user_properties:
            if report.when == "call" and what.startswith("torture: "):
                terminalreporter.write_line(f"{report.head_line} {what}: {value}")
