"""What holds for all tests."""

import os
import signal
from collections.abc import Callable, Generator

import pytest

from tests.lab.reporting import Report, reporter, write_reports


def pytest_configure() -> None:
    """Restore what SIGINT does if the tests run in the background of a shell.

    Such a shell starts them with SIGINT ignored. The processes of the tests would inherit that, and
    a worker or a child that is to be ended by SIGINT would live on.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes run tests with `-n auto`: three for two processors.

    Many tests wait for other processes, so that two processes use half of two processors.
    """
    return (os.cpu_count() or 1) * 3 // 2 or 1


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
