"""What a person needs to see of a scenario that failed: runs, events, core Events, logs."""

import os
import subprocess
from collections.abc import Callable, Iterator

from tests.conformance.kubectl import KUBECTL
from tests.lab.lab import Lab
from tests.lab.processes import bare_environment

Measure = Callable[[str, float], None]
"""Has a measured time shown when all is over: what it is of, and how many seconds."""

LINES = 60  # of each: the last ones
QUESTIONS = (
    ("get", "wfr,wfe"),
    ("get", "wfr", "-o", "yaml"),
    ("get", "wfe", "-o", "yaml"),
    ("get", "events"),
)


def evidence(lab: Lab) -> Iterator[tuple[str, str]]:
    """Give titles and texts."""
    for question in QUESTIONS:
        yield f"kubectl {' '.join(question)}", _end(_asked(lab, *question))
    for process in lab.processes.all:
        state = "runs" if process.running else "ended"
        yield f"log of {process.name} ({state}, pids {process.pids})", _end(process.log)


def _asked(lab: Lab, *question: str) -> str:
    environment = {
        **bare_environment(),
        "KUBECONFIG": str(lab.kubeconfig),
        "HOME": str(lab.directory),
        "PATH": os.environ.get("PATH", ""),
    }
    try:
        done = subprocess.run(
            [KUBECTL, f"--namespace={lab.namespace}", "--request-timeout=5s", *question],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except subprocess.TimeoutExpired:
        return "no answer"
    return done.stdout + done.stderr


def _end(text: str) -> str:
    lines = text.splitlines()
    left_out = [f"... {len(lines) - LINES} lines before"] if len(lines) > LINES else []
    return "\n".join([*left_out, *lines[-LINES:]])
