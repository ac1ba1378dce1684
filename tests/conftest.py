"""What holds for all tests."""

from collections.abc import Callable, Generator

import pytest

from tests.lab.reporting import Report, reporter, write_reports


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half characters in what a test has logged or printed.

    Some tests log lone surrogates on purpose. A process of pytest-xdist cannot send them to the one
    that collects the reports: it ends, and with it the whole run.
    """
    report = yield
    report.sections = [(name, _whole(text)) for name, text in report.sections]
    return report


def _whole(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Reports a value at the end of the test run, also if the test passes."""
    return reporter(record_property)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the reports."""
    write_reports(terminalreporter)
