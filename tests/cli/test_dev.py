"""`grctl dev` as a person runs it: a process, a stock kubectl, Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grctl_local import kubeconfig
from tests.lab.kubectl import KUBECTL

ROOT = Path(__file__).parent.parent.parent
MANIFESTS = ROOT / "examples" / "manifests"
UNUSED_SERVER = "https://127.0.0.1:1"
NO_CERTIFICATE = "none"
PROCESS_TIMEOUT_S = 30.0  # for three interpreters to start on a busy machine
BUSY = """
import asyncio
from grctl.workflow import Workflow

busy = Workflow(workflow_type="Busy")

@busy.start()
async def start(ctx):
    print("busy now")
    await asyncio.sleep(3600)
"""
BUSY_RUN = """
apiVersion: grctl.dev/v1alpha1
kind: WorkflowRun
metadata: {name: busy}
spec: {workflow: {type: Busy}}
"""


class DevProcess:
    """A running `grctl dev`."""

    def __init__(self, process: "subprocess.Popen[bytes]", directory: Path) -> None:
        self.process = process
        self._directory = directory

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text(encoding="utf-8")

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PROCESS_TIMEOUT_S
        while not holds():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def until_logged(self, text: str) -> None:
        self.until(lambda: text in self.log or self.process.poll() is not None)
        assert text in self.log

    def children(self) -> list[int]:
        return _pids("pgrep", "-P", str(self.process.pid))

    def kill_operator(self) -> None:
        children = self.children()
        operator = next(pid for pid in _pids("pgrep", "-f", "grctl_operator") if pid in children)
        os.kill(operator, signal.SIGKILL)

    def kubectl(self, *arguments: str) -> str:
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._directory / ".grctl" / "kubeconfig"),
            "HOME": str(self._directory),
        }
        done = subprocess.run(
            [KUBECTL, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PROCESS_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr + self.log
        return done.stdout

    def wait_for_end(self) -> int:
        return self.process.wait(PROCESS_TIMEOUT_S)


def _pids(*command: str) -> list[int]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(pid) for pid in done.stdout.split()]


def is_running(pid: int) -> bool:
    """Whether a process runs. A zombie does not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:1] not in {"", "Z"}


@contextmanager
def started_worker(
    directory: Path, url: str, **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "grctl.cli", "worker", "--operator-url", url]
    with subprocess.Popen(
        [*command, "examples.orders:order"],
        cwd=directory,
        env={**without_settings(), "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_refused_without_a_token(directory: Path, url: str) -> bool:
    """Start a worker without a token. Return whether it reports that as the reason of a refusal."""
    with started_worker(directory, url) as process:
        timer = threading.Timer(PROCESS_TIMEOUT_S, process.kill)
        timer.start()
        assert process.stdout
        refused = any("No token came" in line for line in process.stdout)
        timer.cancel()
        return refused


def without_settings() -> dict[str, str]:
    return {key: each for key, each in os.environ.items() if not key.startswith("GRCTL_")}


@contextmanager
def developing(directory: Path, *arguments: str, **settings: str) -> Iterator[DevProcess]:
    environment = {**without_settings(), **settings}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "grctl.cli", "dev", "--operator-port", "0", *arguments],
            cwd=directory,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield DevProcess(process, directory)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PROCESS_TIMEOUT_S)


def test_dev_runs_an_order_and_leaves_no_process_after_a_signal(tmp_path: Path) -> None:
    with developing(tmp_path, "examples.orders:order") as dev:
        dev.until_logged("Ctrl-C stops everything.")
        assert f"export KUBECONFIG={tmp_path}/.grctl/kubeconfig" in dev.log
        for name in ("order", "set-priority", "approve"):
            dev.kubectl("apply", "-f", str(MANIFESTS / f"{name}.yaml"))
        dev.kubectl("wait", "--for=condition=Succeeded", "wfr/order-abc", "--timeout=20s")
        shown = dev.kubectl("get", "wfr,wfe")
        children = dev.children()
        dev.process.send_signal(signal.SIGTERM)
        code = dev.wait_for_end()
    assert "Completed" in shown
    assert shown.count("Processed") == 2
    assert code == 0
    assert len(children) == 3
    assert not any(map(is_running, children))
    ends = [
        dev.log.index(text) for text in ("| Stopping", "worker disconnected", "operator stopped")
    ]
    assert ends == sorted(ends)


def test_the_operator_of_dev_accepts_only_workers_with_its_token(tmp_path: Path) -> None:
    with developing(tmp_path) as dev:
        dev.until_logged("| Ready.")
        token = tmp_path / ".grctl" / "kubeconfig.worker-token"
        assert f"export GRCTL_WORKER_TOKEN_FILE={token}" in dev.log
        assert token.stat().st_mode & 0o777 == 0o600
        [command] = [line for line in dev.log.splitlines() if "grctl worker --operator-url" in line]
        url = command.split()[5]
        assert is_refused_without_a_token(tmp_path, url)
        with started_worker(tmp_path, url, GRCTL_WORKER_TOKEN_FILE=str(token)):
            dev.until_logged("worker connected")


def test_the_worker_of_dev_serves_the_namespace_of_the_environment(tmp_path: Path) -> None:
    with developing(tmp_path, "examples.orders:order", GRCTL_NAMESPACE="shop") as dev:
        dev.until_logged("worker connected")
        dev.kubectl("apply", "-n", "shop", "-f", str(MANIFESTS / "order.yaml"))
        waiting = "--for=jsonpath={.status.phase}=WaitEvent"
        dev.kubectl("wait", "-n", "shop", waiting, "wfr/order-abc", "--timeout=20s")


def test_dev_names_a_program_that_ends_and_stops_the_others(tmp_path: Path) -> None:
    with developing(tmp_path) as dev:
        dev.until_logged("operator ready")
        children = dev.children()
        dev.kill_operator()
        code = dev.wait_for_end()
    assert code == 1
    assert "operator ended with exit code -9: stopping everything" in dev.log
    assert "worker   |" not in dev.log
    assert len(children) == 2
    assert not any(map(is_running, children))


def test_a_worker_that_is_busy_does_not_wait_for_an_operator_that_ended(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    (tmp_path / "run.yaml").write_text(BUSY_RUN)
    with developing(tmp_path, "busy:busy") as dev:
        dev.until_logged("| Ready.")
        dev.kubectl("apply", "-f", str(tmp_path / "run.yaml"))
        dev.until_logged("busy now")
        dev.kill_operator()
        code = dev.wait_for_end()
    assert code == 1
    assert "given up" not in dev.log


def test_dev_says_whether_runs_and_events_are_kept(tmp_path: Path) -> None:
    with developing(tmp_path) as dev:
        dev.until_logged("--data FILE keeps them")
    data = tmp_path / "objects.sqlite"
    with developing(tmp_path, "--data", str(data)) as dev:
        dev.until_logged(f"stay in {data}")


def test_dev_ends_with_the_error_of_a_worker_that_cannot_start(tmp_path: Path) -> None:
    with developing(tmp_path, "examples.orders:oder") as dev:
        code = dev.wait_for_end()
    assert code == 1
    assert "worker   | grctl: examples.orders has no 'oder'. Did you mean 'order'?" in dev.log
    assert "worker ended with exit code 1: stopping everything" in dev.log


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_a_killed_dev_leaves_no_process(tmp_path: Path) -> None:
    with developing(tmp_path, "examples.orders:order") as dev:
        dev.until_logged("| Ready.")
        dev.until(lambda: len(dev.children()) == 3)
        children = dev.children()
        dev.process.kill()
        dev.wait_for_end()
        dev.until(lambda: not any(map(is_running, children)))


def test_a_port_in_use_is_reported_before_any_process_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with developing(tmp_path, "examples.orders:order", "--operator-port", port) as dev:
            code = dev.wait_for_end()
    assert code == 1
    assert dev.log.startswith(f"grctl: port {port} cannot be used by the operator: Address already")
    assert "--operator-port 0 takes a free one." in dev.log
    assert not (tmp_path / ".grctl").exists()


def test_a_second_dev_with_the_same_kubeconfig_ends_and_the_first_goes_on(tmp_path: Path) -> None:
    with developing(tmp_path) as first:
        first.until_logged("| Ready.")
        written = (tmp_path / ".grctl" / "kubeconfig").read_text(encoding="utf-8")
        (tmp_path / "second").mkdir()
        shared = ("--kubeconfig", f"{tmp_path}/.grctl/kubeconfig")
        with developing(tmp_path / "second", *shared) as second:
            code = second.wait_for_end()
        assert first.kubectl("get", "wfr") == ""
    assert code == 1
    assert (
        "is in use: another `grctl local` or `grctl dev` runs at https://127.0.0.1:" in second.log
    )
    assert written == (tmp_path / ".grctl" / "kubeconfig").read_text(encoding="utf-8")


def test_dev_does_not_use_an_old_kubeconfig(tmp_path: Path) -> None:
    kubeconfig.write(tmp_path / ".grctl" / "kubeconfig", UNUSED_SERVER, "token", NO_CERTIFICATE)
    with developing(tmp_path, "--data", "objects.db") as dev:
        dev.until_logged("| Ready.")
        assert dev.kubectl("get", "wfr") == ""
    assert (tmp_path / "objects.db").exists()
