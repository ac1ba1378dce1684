"""What a person needs to see of a test that failed: pods, runs, events, core Events, logs."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from e2e.settings import Settings
from tests.lab.kubectl import SHOWN_LINES, Kubectl

QUESTIONS = (
    ("get", "pods,wfr,wfe,leases,jobs", "-A", "-o", "wide"),
    ("describe", "wfr", "-A"),
    ("get", "events", "-A", "--sort-by=.lastTimestamp"),
)
LOGS = ("app.kubernetes.io/name=grctl", "app.kubernetes.io/name=grctl-worker")


def evidence(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield titles and texts."""
    kubectl = Kubectl(settings.kubeconfig, "default", Path(tempfile.gettempdir()))
    for question in QUESTIONS:
        yield f"kubectl {' '.join(question)}", kubectl.show(*question)
    for label in LOGS:
        for pod in _pods(kubectl, label):
            namespace, name = pod.split("/")
            for previous in ((), ("--previous",)):
                line = ("logs", "-n", namespace, name, f"--tail={SHOWN_LINES}", *previous)
                yield f"kubectl {' '.join(line)}", kubectl.show(*line)


def _pods(kubectl: Kubectl, label: str) -> list[str]:
    form = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}"
    return kubectl.show("get", "pods", "-A", "-l", label, "-o", form).split()
