"""Ctrl-C in a wait: the command ends and says what goes on."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Grctl

PROCESS_TIMEOUT_S = 30.0  # for an interpreter to start on a busy machine

WAITS = [
    (
        ("start", "ProcessOrder", "order-1", "--wait"),
        "The run goes on: grctl describe order-1 shows it, grctl cancel order-1 ends it.",
    ),
    (
        ("send", "order-2", "approve", "--name", "once", "--wait"),
        "Event once goes on waiting: grctl describe order-2 shows it.",
    ),
    (("cancel", "order-3", "--wait"), "The run was asked to end, and will."),
]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Handle SIGINT, so that started programs do too: a background process may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("kubeconfig", "interruptible")
@pytest.mark.parametrize(("command", "goes_on"), WAITS, ids=["start", "send", "cancel"])
def test_an_interrupted_wait_says_what_goes_on(
    grctl: Grctl, command: tuple[str, ...], goes_on: str
) -> None:
    grctl("start", "ProcessOrder", "order-3")
    program = [sys.executable, "-u", "-m", "grctl.cli", *command]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the report of the action; the command waits from here on
        process.send_signal(signal.SIGINT)
        try:
            output, _ = process.communicate(timeout=PROCESS_TIMEOUT_S)
        finally:
            process.kill()  # a process that ignored the signal would go on for ever
    assert output.endswith(f"grctl: stopped waiting. {goes_on}\n")
    assert "Traceback" not in output
    assert process.returncode == 130


@pytest.mark.usefixtures("kubeconfig")
def test_an_event_is_not_sent_if_the_limit_is_not_a_duration(grctl: Grctl) -> None:
    done = grctl("send", "order-1", "approve", "--wait", "--timeout", "5")
    assert done.exit_code == 2
    assert "'5' is not a duration; write it like 90s" in done.stderr
