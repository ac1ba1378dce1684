"""The API server of a test: an embedded one of its own, or that of a kubeconfig.

A test cannot tell which of the two it is, unless it kills the API server: such a test has an
embedded one to itself.
"""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.kubectl import KUBECTL
from tests.lab.processes import GRCTL, ROOT, Process, Processes, bare_environment, free_port

READY = "Kubernetes API at"


class EmbeddedApi:
    """`grctl local` with a data file: killed and started again it is the same API server.

    Args:
        processes: The processes that it belongs to.
        directory: Where its data file, kubeconfig and audit log are.
    """

    def __init__(self, processes: Processes, directory: Path) -> None:
        self.kubeconfig = directory / "kubeconfig"
        data, port = directory / "objects.db", str(free_port())
        command = [*GRCTL, "local", "--data", str(data), "--port", port]
        command += ["--kubeconfig", str(self.kubeconfig)]
        command += ["--audit-log", str(audit_log_of(self.kubeconfig))]
        self.process: Process = processes.add("api", command)

    async def start(self) -> None:
        """Start it, and install our resources."""
        await self.start_again()
        install_resources(self.kubeconfig, self.kubeconfig.parent)

    async def start_again(self) -> None:
        """Start it with the data that it has."""
        await self.process.start().until_logged(READY)


@dataclass(frozen=True)
class ApiServer:
    """An API server that knows our resources."""

    kubeconfig: Path
    processes: Processes
    """Those that end with it; if it is an embedded one, it is the first of them."""
    embedded: EmbeddedApi | None


@asynccontextmanager
async def api_server(directory: Path, kubeconfig: Path | None = None) -> AsyncIterator[ApiServer]:
    """Use the API server of a kubeconfig, or else start an embedded one.

    Leaving the block ends the processes.
    """
    with Processes(directory) as processes:
        if kubeconfig is not None:
            install_resources(kubeconfig, directory)
            yield ApiServer(kubeconfig, processes, None)
            return
        embedded = EmbeddedApi(processes, directory)
        await embedded.start()
        yield ApiServer(embedded.kubeconfig, processes, embedded)


def audit_log_of(kubeconfig: Path) -> Path:
    """Return the file in which an embedded API logs requests; a real one has no such file."""
    return kubeconfig.parent / "audit.jsonl"


def kubeconfig_from(variable: str) -> Path | None:
    """Return the kubeconfig that an environment variable names, or None."""
    path = os.environ.get(variable)
    return Path(path).absolute() if path else None


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
