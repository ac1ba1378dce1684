"""What torture reports at the end, also when it passes: its seed, and which faults it met."""

from collections.abc import Callable

import pytest

from tests.lab.reporting import Report, reporter, write_reports


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Reports a value at the end of the test run."""
    return reporter(record_property)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the reports."""
    write_reports(terminalreporter)
