"""The Kubernetes API of the scenarios: an embedded one of their own, or that of a kubeconfig.

Nothing in a scenario knows which of the two it is, but those that kill the API server: they have an
embedded one to themselves (`EmbeddedApi`).
"""

import os
import subprocess
from pathlib import Path

from tests.conformance.kubectl import KUBECTL
from tests.lab.processes import GRCTL, ROOT, Process, Processes, bare_environment, free_port

READY = "Kubernetes API at"


class EmbeddedApi:
    """`grctl local` with a data file: killed and started again it is the same API server.

    Args:
        processes: What it is one of.
        directory: Where data file and kubeconfig are.
    """

    def __init__(self, processes: Processes, directory: Path) -> None:
        self.kubeconfig = directory / "kubeconfig"
        data, port = directory / "objects.db", str(free_port())
        command = [*GRCTL, "local", "--data", str(data), "--port", port]
        command += ["--kubeconfig", str(self.kubeconfig)]
        command += ["--audit-log", str(audit_log_of(self.kubeconfig))]
        self.process: Process = processes.add("api", command)

    async def start(self) -> None:
        """Start it, and have it know our resources."""
        await self.process.start().until_said(READY)
        install_resources(self.kubeconfig, self.kubeconfig.parent)


def audit_log_of(kubeconfig: Path) -> Path:
    """Say where the requests to an embedded API are written down; a real one has no such file."""
    return kubeconfig.parent / "audit.jsonl"


def given_kubeconfig() -> Path | None:
    """Give the kubeconfig of the cluster that the scenarios are to run on, if one is named."""
    named = os.environ.get("SCENARIOS_KUBECONFIG")
    return Path(named).absolute() if named else None


def install_resources(kubeconfig: Path, home: Path) -> None:
    """Install the CustomResourceDefinitions as a person does, and wait until they are served."""
    environment = {**bare_environment(), "KUBECONFIG": str(kubeconfig), "HOME": str(home)}
    crds = subprocess.run([*GRCTL, "crds"], cwd=ROOT, capture_output=True, check=True).stdout
    for arguments, stdin in (
        (["apply", "--server-side", "--force-conflicts", "-f", "-"], crds),
        (["wait", "--for=condition=Established", "--timeout=30s", "-f", "-"], crds),
        # Whole lists are refused until the API server's cache is filled; kubectl tries again.
        (["get", "wfr,wfe", "--chunk-size=0"], b""),
    ):
        done = subprocess.run(
            [KUBECTL, *arguments], input=stdin, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
