"""`make demo`: an order and a purchase wait for approvals and complete, with a stock kubectl.

Each command is shown as a person would type it, before it runs. Everything lives in a temporary
directory and ends with this program. The exit code is 1 if a command or its output is wrong.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
READY = "Ready."
PATIENCE = 30.0  # s: for the whole of `grctl dev` to start on a slow machine
COMMAND_PATIENCE = 40.0  # s: more than the --timeout of `kubectl wait`
STOP = 10.0  # s
TAIL = 15  # lines of the log that tell of a failure

IN_COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BOLD, DIM, RED, GREEN = "1", "2", "31", "32"


class DemoError(Exception):
    """A command failed, or its output was not as expected."""


@dataclass(frozen=True)
class Step:
    """A command, its explanation, and texts that its output must hold."""

    command: str
    why: str = ""
    shows: tuple[str, ...] = ()


STORY = (
    Step(
        "kubectl apply -f examples/manifests/order.yaml",
        "Start an order: a run is a Kubernetes resource, its name is the workflow id.",
        ("order-abc created",),
    ),
    Step("kubectl wait --for=jsonpath='{.status.phase}'=WaitEvent wfr/order-abc --timeout=30s"),
    Step(
        "kubectl get wfr,wfe",
        "Its start handler has run. Now it waits, for days if need be; no process is held for it.",
        ("WaitEvent", "approve, reject"),
    ),
    Step(
        "kubectl apply -f examples/manifests/mistyped.yaml",
        "An event is a resource too. This one has a typing error in its name: aprove.",
    ),
    Step(
        "kubectl wait --for=jsonpath='{.status.phase}'=Rejected wfe/order-abc-aprove --timeout=30s"
    ),
    Step(
        "kubectl get wfr,wfe",
        "It is rejected, and the order goes on waiting.",
        ("WaitEvent", "UnknownEvent"),
    ),
    Step(
        "kubectl get wfe/order-abc-aprove -o jsonpath='{.status.message}{\"\\n\"}'",
        "Nothing is dropped silently: the event says what would have fitted.",
        ("aprove", "approve", "The run goes on waiting."),
    ),
    Step(
        "kubectl apply -f examples/manifests/approve.yaml",
        "Now the right one.",
    ),
    Step("kubectl wait --for=condition=Succeeded wfr/order-abc --timeout=30s"),
    Step(
        "kubectl get wfr,wfe",
        "The order is approved and fulfilled; its events are numbered as they were handled.",
        ("Completed", "Processed", "Rejected"),
    ),
    Step("grctl describe order-abc", "And the whole of it:", ("Completed", '"fulfilled"')),
    Step(
        "kubectl apply -f examples/manifests/purchase.yaml",
        "A purchase needs two approvals, and its payment must be made once.",
        ("laptops created",),
    ),
    Step("kubectl wait --for=jsonpath='{.status.phase}'=WaitEvent wfr/laptops --timeout=30s"),
    Step(
        "kubectl apply -f examples/manifests/director-approve.yaml",
        "The director is early: the purchase waits for the manager.",
    ),
    Step(
        "kubectl get wfr/laptops wfe/laptops-director",
        "So this event keeps its place for a later wait.",
        ("does the manager approve?", "Pending"),
    ),
    Step("kubectl apply -f examples/manifests/manager-approve.yaml", "The manager approves."),
    Step("kubectl wait --for=jsonpath='{.status.step.name}'=remind wfr/laptops --timeout=30s"),
    Step(
        "kubectl get wfr/laptops",
        "Both approvals were handled. The bank did not answer twice, then the payment was made."
        " A reminder comes later.",
        ("remind",),
    ),
    Step("kubectl wait --for=condition=Succeeded wfr/laptops --timeout=30s"),
    Step("grctl history laptops", "All that happened, in one list:", ("pay (3)", "completed")),
)


def main() -> int:
    """Run the demonstration. Return the exit code."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended in order, as by Ctrl-C
    try:
        with tempfile.TemporaryDirectory(prefix="grctl-demo-") as directory:
            _play(Path(directory))
    except DemoError as error:
        say(f"\nThe demo failed. {error}", RED)
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted. Nothing is left running.")
        return 130
    say(f"\nDone in {time.monotonic() - began:.0f} s. Nothing is left running.", GREEN)
    say("The workflows: examples/orders.py, examples/purchase.py. To try one yourself:")
    say("grctl dev examples.orders:order")
    return 0


def _play(directory: Path) -> None:
    environment = _environment(directory)
    explain("Start a Kubernetes API, the operator and a worker on this machine.")
    command = (
        "grctl dev examples.orders:order examples.purchase:purchase --operator-port 0"
        f" --kubeconfig {directory}/kubeconfig"
    )
    prompt(f"{command} &")
    with _developing(shlex.split(command), environment, directory / "log"):
        prompt(f"export KUBECONFIG={directory}/kubeconfig")
        for step in STORY:
            _take(step, environment)
        explain("Stop everything.")
        prompt("kill %1")


def _environment(directory: Path) -> dict[str, str]:
    """Return an environment without the kubeconfig and settings of this machine's user."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GRCTL_")}
    return {
        **kept,
        "KUBECONFIG": str(directory / "kubeconfig"),
        "HOME": str(directory),  # kubectl caches there what it discovers
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "NO_COLOR": "1",
    }


@contextlib.contextmanager
def _developing(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run `grctl dev` for a while. A failure shows the end of its log."""
    with log.open("wb") as output, _process(command, environment, output) as process:
        try:
            _await_ready(process, log)
            yield
        except DemoError as error:
            lines = "\n".join(_lines(log)[-TAIL:])
            raise DemoError(f"{error}\n\nThe last lines of grctl dev:\n{lines}") from error
        finally:
            code = _stop(process)
    if code != 0:
        raise DemoError(f"grctl dev ended with exit code {code}.")


def _stop(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    try:
        return process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _process(
    command: list[str], environment: dict[str, str], output: BinaryIO
) -> "subprocess.Popen[bytes]":
    program = PROGRAMS / command[0]
    if not program.exists():
        raise DemoError(f"{program} is missing; `make demo` installs it.")
    return subprocess.Popen(
        [program, *command[1:]],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is ours: we stop it, in order
    )


def _await_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(READY in line for line in _lines(log)):
        if process.poll() is not None:
            raise DemoError(f"grctl dev ended with exit code {process.returncode}.")
        if time.monotonic() > deadline:
            raise DemoError(f"grctl dev was not ready after {PATIENCE:.0f} s.")
        time.sleep(0.05)


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _take(step: Step, environment: dict[str, str]) -> None:
    """Run a command, show its output, and check it."""
    if step.why:
        explain(step.why)
    prompt(step.command)
    program, *arguments = shlex.split(step.command)
    try:
        done = subprocess.run(
            [PROGRAMS / program, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_PATIENCE,
        )
    except FileNotFoundError as error:
        raise DemoError(f"{PROGRAMS / program} is missing; `make demo` installs it.") from error
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"`{step.command}` took over {COMMAND_PATIENCE:.0f} s.") from error
    say(done.stdout.rstrip("\n"))
    _check(step, done)


def _check(step: Step, done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode != 0:
        raise DemoError(f"`{step.command}` ended with exit code {done.returncode}.")
    missing = [each for each in step.shows if each not in done.stdout]
    if missing:
        raise DemoError(f"The output of `{step.command}` lacks {', '.join(map(repr, missing))}.")


def explain(text: str) -> None:
    """Print what comes next."""
    say(f"\n# {text}", DIM)


def prompt(command: str) -> None:
    """Show a command as a shell would."""
    say(f"$ {command}", BOLD)


def say(text: str, colour: str = "") -> None:
    """Write a line, in colour on a terminal."""
    print(f"\033[{colour}m{text}\033[0m" if colour and IN_COLOUR else text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
