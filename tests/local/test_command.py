"""`python -m grctl_local`: how it starts and ends, and which data survives."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grctl_local.__main__ import main
from tests.conformance.client import Api
from tests.conformance.kubeconfig import load

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def start(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command. It has printed its address when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "grctl_local", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert "export KUBECONFIG=" in process.stdout.readline()
    return process


def error_of(directory: Path, *arguments: str) -> str:
    """Run the command, which cannot start. Return its error message."""
    process = subprocess.run(
        [sys.executable, "-m", "grctl_local", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    return process.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_server_ends_while_it_is_watched(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as process:
        async with (
            Api(load(tmp_path / ".grctl" / "kubeconfig")) as api,
            api.watch(CONFIGMAPS) as watch,
        ):
            (await api.post(CONFIGMAPS, {"metadata": {"name": "c"}})).expect(201)
            assert await watch.take(1) == [("ADDED", "c")]
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
        assert process.communicate()[1] == ""


async def test_an_answered_write_survives_a_kill(tmp_path: Path) -> None:
    arguments = ("--data", "objects.db", "--kubeconfig", "config")
    with start(tmp_path, *arguments) as process:
        access = load(tmp_path / "config")
        async with Api(access) as api:
            for number in range(20):
                (await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}"}})).expect(201)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    port = access.server.rpartition(":")[2]
    with start(tmp_path, *arguments, "--port", port) as process:
        async with Api(access) as api:
            found = (await api.get(CONFIGMAPS)).expect(200)
        process.terminate()
        process.communicate()

    assert len(found["items"]) == 20


def test_a_taken_port_and_a_taken_file_are_reported(tmp_path: Path) -> None:
    with start(tmp_path, "--data", "objects.db") as process:
        port = load(tmp_path / ".grctl" / "kubeconfig").server.rpartition(":")[2]
        assert f"Port {port} of 127.0.0.1 cannot be used" in error_of(tmp_path, "--port", port)
        assert "another process uses it" in error_of(tmp_path, "--data", "objects.db")
        process.terminate()
        process.communicate()


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes\n" * 1000)

    assert "not a data file of this server" in error_of(tmp_path, "--data", "notes.txt")


async def test_lines_are_added_to_an_existing_audit_log(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text("before\n")
    with start(tmp_path, "--audit-log", "audit.jsonl") as process:
        async with Api(load(tmp_path / ".grctl" / "kubeconfig")) as api:
            (await api.get(CONFIGMAPS)).expect(200)
        process.terminate()
        process.communicate()
    before, line = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert (before, json.loads(line)["resource"]) == ("before", "configmaps")


def test_an_audit_log_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    assert "nowhere/audit.jsonl" in error_of(tmp_path, "--audit-log", "nowhere/audit.jsonl")


@pytest.mark.parametrize("port", ["-1", "65536", "9" * 30, "9" * 5000, "x", "", "1.5"])
def test_an_invalid_port_is_a_usage_error(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"--port={port}"])
    assert "error: argument --port" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--kubeconfig", "--data"])
def test_a_device_in_place_of_a_file_is_not_changed(tmp_path: Path, flag: str) -> None:
    device = tmp_path / "device"
    os.mkfifo(device)
    before = device.lstat()
    written = error_of(tmp_path, flag, str(device))
    assert "is not a file" in written
    assert device.lstat() == before
    assert [each.name for each in tmp_path.iterdir() if each.name != ".grctl"] == ["device"]
