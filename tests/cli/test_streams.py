"""Commands with unusual standard streams: closed, full, or with an encoding of few characters."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grctl.cli import streams
from grctl.kube import EVENTS
from tests.cli.conftest import Grctl, send_request, set_status

PROCESS_TIMEOUT_S = 30.0  # for an interpreter to start on a busy machine
LATIN = {"PYTHONIOENCODING": "latin-1"}
CHECK = "ok \u2713"


def run_command(
    redirected: str, *arguments: str, **settings: Any
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command in a shell that redirects its streams."""
    environment = {**os.environ, **settings.pop("environment", {})}
    return subprocess.run(
        [
            "sh",
            "-c",
            f'exec "$@" {redirected}',
            "sh",
            sys.executable,
            "-m",
            "grctl.cli",
            *arguments,
        ],
        env=environment,
        capture_output=True,
        timeout=PROCESS_TIMEOUT_S,
        check=False,
        **settings,
    )


def sent_names(kubeconfig: Path) -> list[str]:
    """Return the names of all events that were sent."""
    events = send_request(kubeconfig, lambda api: api.get(EVENTS.path("default")))["items"]
    return [each["spec"]["eventName"] for each in events]


def test_an_event_is_sent_and_characters_that_the_encoding_lacks_are_escaped(
    kubeconfig: Path,
) -> None:
    done = run_command("", "send", "order-1", CHECK, "--name", "once", environment=LATIN)
    assert (done.returncode, done.stdout) == (0, b"Sent ok \\u2713 to order-1 as once\n")
    assert sent_names(kubeconfig) == [CHECK]


def test_json_stays_json_in_an_encoding_of_few_characters(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "Order", "order-1")
    shown = {"phase": "Failed", "message": f"{CHECK} \U0001f600 \xe9"}
    set_status(kubeconfig, "order-1", shown)
    for encoding in ("latin-1", "ascii", "utf-16-le"):
        done = run_command("", "list", "-o", "json", environment={"PYTHONIOENCODING": encoding})
        assert json.loads(done.stdout.decode(encoding))[0]["message"] == shown["message"]


@pytest.mark.parametrize(
    "command", [["list"], ["describe", "order-1"], ["describe", "order-1", "-o", "yaml"]]
)
def test_every_reading_command_works_in_any_encoding(
    grctl: Grctl, kubeconfig: Path, command: list[str]
) -> None:
    grctl("start", "Order", "order-1")
    set_status(kubeconfig, "order-1", {"phase": "Failed", "message": CHECK})
    done = run_command("", *command, environment=LATIN)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"ok \\u2713" in done.stdout


@pytest.mark.parametrize(
    ("stdout", "why"), [(">/dev/full", "No space left"), (">&-", "it is closed")]
)
def test_a_send_whose_report_cannot_be_written_succeeds(
    kubeconfig: Path, stdout: str, why: str
) -> None:
    done = run_command(stdout, "send", "order-1", "approve", "--name", "once")
    errors = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert errors[0].startswith("grctl: Sent approve to order-1 as once (standard output cannot be")
    assert why in errors[0]
    assert sent_names(kubeconfig) == ["approve"]


@pytest.mark.usefixtures("kubeconfig")
def test_a_start_whose_report_cannot_be_written_succeeds() -> None:
    for output in ("text", "json", "yaml"):
        done = run_command(">/dev/full", "start", "Order", f"order-{output}", "-o", output)
        assert done.returncode == 0
        assert f"Started order-{output} in namespace default" in done.stderr.decode()


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize(
    "command", [["list"], ["list", "-o", "json"], ["crds"], ["describe", "order-1"]]
)
@pytest.mark.parametrize("stdout", [">/dev/full", ">&-"])
def test_requested_data_that_cannot_be_written_is_an_error_in_one_line(
    grctl: Grctl, command: list[str], stdout: str
) -> None:
    grctl("start", "Order", "order-1")
    done = run_command(stdout, *command)
    errors = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert errors[0].startswith("grctl: standard output cannot be written: ")
    assert len(errors) == 1


def test_cancel_reports_an_earlier_end_on_standard_error(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "Order", "order-1")
    set_status(kubeconfig, "order-1", {"phase": "Completed", "result": 1})
    done = run_command(">/dev/full", "cancel", "order-1", "-o", "json")
    assert b"it had ended before: Completed" in done.stderr


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_an_unwritable_standard_error_changes_nothing(kubeconfig: Path, stderr: str) -> None:
    done = run_command(stderr, "send", "order-1", "approve", "--name", "once")
    assert (done.returncode, done.stdout) == (0, b"Sent approve to order-1 as once\n")
    assert sent_names(kubeconfig) == ["approve"]


def test_all_streams_may_be_closed(kubeconfig: Path) -> None:
    done = run_command("<&- >&- 2>&-", "send", "order-1", "approve")
    assert done.returncode == 0
    assert sent_names(kubeconfig) == ["approve"]


def test_a_socket_never_gets_the_number_of_a_closed_stream() -> None:
    program = "import os; from grctl.cli import streams; streams.open_missing(); print(*os.pipe())"
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 0<&- 2>&-', "sh", sys.executable, "-c", program],
        capture_output=True,
        timeout=PROCESS_TIMEOUT_S,
        check=True,
    )
    assert min(map(int, done.stdout.split())) > 2


@pytest.mark.parametrize(
    ("piped", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\xff", "this is not JSON"),
        (b"\xe9", "this is not JSON: 'utf-8' codec"),
        (b"", "Expecting value"),
        (b"1" * 5000, "this is not JSON: Exceeds the limit"),
    ],
    ids=["deep", "half a character", "latin-1", "empty", "long number"],
)
def test_standard_input_that_is_not_json_is_a_wrong_call(piped: bytes, message: str) -> None:
    done = run_command("", "send", "order-1", "note", "--payload", "@-", input=piped)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert b"GRCTL_DEBUG" not in done.stderr


def test_a_closed_standard_input_is_a_wrong_call() -> None:
    done = run_command("<&-", "send", "order-1", "note", "--payload", "@-")
    assert done.returncode == 2
    assert b"standard input is closed" in done.stderr


def test_standard_input_without_end_is_refused() -> None:
    done = run_command("</dev/zero", "send", "order-1", "note", "--payload", "@-")
    assert done.returncode == 2
    assert b"it has more than 16 MiB" in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_in_its_own_encoding_not_in_that_of_the_terminal(
    kubeconfig: Path, encoding: str
) -> None:
    piped = f'"{CHECK}"'.encode(encoding)
    command = ("send", "order-1", "note", "--payload", "@-", "--name", "once")
    assert run_command("", *command, input=piped, environment=LATIN).returncode == 0
    event = send_request(kubeconfig, lambda api: api.get(EVENTS.path("default", "once")))
    assert event["spec"]["payload"] == CHECK


def test_a_failed_stream_has_nothing_left_to_write_at_the_end() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        with pytest.raises(OSError, match="No space"):
            streams.write(full, "text")
        streams.write(full, "text")
