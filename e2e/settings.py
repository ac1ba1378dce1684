"""The settings of the suite, from environment variables. README.md explains them.

1. Only the kubeconfig is needed. Tests that need another variable are not run without it, and the
   end of the output says so.
2. A command has `{...}` for what is filled in, and is split as a shell would.
"""

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent
BUILD_PATIENCE_S = 600.0  # for an image, on a busy machine
NODE_PATIENCE_S = 120.0  # for a component of a node to stop or start

MISSING = {
    "builds": "E2E_BUILD names no command that builds an image",
    "stops_node": "E2E_NODE_STOP and E2E_NODE_START name no commands for the node's components",
    "audits": "E2E_AUDIT_LOG names no audit log of the API server",
}
"""The reason why a test is not run, by the marker of what it needs."""


@dataclass(frozen=True)
class Settings:
    """The suite's settings."""

    kubeconfig: Path
    image: str
    build: str | None
    node_stop: str | None
    node_start: str | None
    audit_log: Path | None

    @classmethod
    def read(cls) -> Self | None:
        """Take the settings from `E2E_*` variables; None where no cluster is named."""
        get = os.environ.get
        kubeconfig = get("E2E_KUBECONFIG")
        if not kubeconfig:
            return None
        log = get("E2E_AUDIT_LOG")
        return cls(
            kubeconfig=Path(kubeconfig).absolute(),
            image=get("E2E_IMAGE") or "grctl:0.1.0",
            build=get("E2E_BUILD") or None,
            node_stop=get("E2E_NODE_STOP") or None,
            node_start=get("E2E_NODE_START") or None,
            audit_log=Path(log) if log else None,
        )

    @property
    def able(self) -> frozenset[str]:
        """The markers whose tests can be run."""
        has = {
            "builds": self.build,
            "stops_node": self.node_stop and self.node_start,
            "audits": self.audit_log,
        }
        return frozenset(name for name, value in has.items() if value)

    def build_image(
        self, tag: str, context: Path = ROOT, dockerfile: Path | None = None, **arguments: str
    ) -> None:
        """Build an image, and bring it to the cluster. Without a command it is there already."""
        if self.build is None:
            return
        file = dockerfile or context / "Dockerfile"
        more = shlex.join(f"--build-arg={name}={value}" for name, value in arguments.items())
        _run(
            self.build, BUILD_PATIENCE_S, tag=tag, context=context, dockerfile=file, arguments=more
        )

    def kill_component(self, component: str) -> None:
        """Kill a component of the node."""
        _run(self.node_stop or "false", NODE_PATIENCE_S, component=component)

    def start_component(self, component: str) -> None:
        """Start it again."""
        _run(self.node_start or "false", NODE_PATIENCE_S, component=component)


def _run(command: str, patience: float, **values: object) -> None:
    line = shlex.split(command.format(**values))
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=patience, cwd=ROOT
    )
    assert done.returncode == 0, f"{shlex.join(line)}: {done.stdout}{done.stderr}"
