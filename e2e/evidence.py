"""What a person needs to see of a test that failed: pods, runs, events, core Events, logs."""

import subprocess
from collections.abc import Iterator

from e2e.kubectl import KUBECTL
from e2e.settings import Settings

LINES = 80  # of each: the last ones
QUESTIONS = (
    ("get", "pods,wfr,wfe,leases,jobs", "-A", "-o", "wide"),
    ("describe", "wfr", "-A"),
    ("get", "events", "-A", "--sort-by=.lastTimestamp"),
)
LOGS = ("app.kubernetes.io/name=grctl", "app.kubernetes.io/name=grctl-worker")


def evidence(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give titles and texts."""
    for question in QUESTIONS:
        yield f"kubectl {' '.join(question)}", _asked(settings, *question)
    for label in LOGS:
        for pod in _pods(settings, label):
            namespace, name = pod.split("/")
            for previous in ((), ("--previous",)):
                line = ("logs", "-n", namespace, name, f"--tail={LINES}", *previous)
                yield f"kubectl {' '.join(line)}", _asked(settings, *line)


def _pods(settings: Settings, label: str) -> list[str]:
    form = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}"
    return _asked(settings, "get", "pods", "-A", "-l", label, "-o", form).split()


def _asked(settings: Settings, *question: str) -> str:
    command = [
        str(KUBECTL),
        f"--kubeconfig={settings.kubeconfig}",
        "--request-timeout=5s",
        *question,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return "no answer"
    lines = (done.stdout + done.stderr).splitlines()
    left_out = [f"... {len(lines) - LINES} lines before"] if len(lines) > LINES else []
    return "\n".join([*left_out, *lines[-LINES:]])
