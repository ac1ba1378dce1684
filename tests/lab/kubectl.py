"""A stock kubectl, in one namespace of a cluster."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import orjson

KUBECTL = Path(sys.executable).parent / "kubectl"
PATIENCE_S = 45.0  # for one command that waits for nothing, on a busy machine
ROLLOUT_S = 120  # for pods to come, on a busy machine
SHOW_PATIENCE_S = 20
SHOWN_LINES = 80

Json = dict[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """kubectl in a namespace."""

    kubeconfig: Path
    namespace: str
    home: Path
    """Where it caches what it has discovered."""
    user: str | None = None
    """The user that it acts as. None: the one of the kubeconfig."""

    async def __call__(
        self,
        *arguments: str,
        stdin: object = None,
        fails: bool = False,
        patience: float = PATIENCE_S,
    ) -> str:
        """Run a command and return what it prints.

        Args:
            arguments: The command.
            stdin: A manifest, or a list of manifests.
            fails: Whether the command is expected to fail.
            patience: Seconds for the command to end.
        """
        process = await self.start(*arguments)
        async with asyncio.timeout(patience):
            output, errors = await process.communicate(_manifest(stdin))
        text = output.decode() + errors.decode()
        assert bool(process.returncode) == fails, f"kubectl {' '.join(arguments)}: {text}"
        return text

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command and leave it running."""
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            *self._flags(),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(),
        )

    async def json(self, *arguments: str) -> Json:
        """Return what `kubectl get ... -o json` prints."""
        found: Json = orjson.loads(await self("get", *arguments, "-o", "json"))
        return found

    async def apply(self, *manifests: Json) -> str:
        """Apply objects."""
        return await self("apply", "-f", "-", stdin=list(manifests))

    async def wait_for_rollout(self, deployment: str) -> None:
        """Wait until all pods of a Deployment are new and ready."""
        line = ("rollout", "status", f"deployment/{deployment}", f"--timeout={ROLLOUT_S}s")
        await self(*line, patience=ROLLOUT_S + PATIENCE_S)

    async def wait(self, what: str, condition: str, seconds: int = 60) -> None:
        """Wait until an object meets a condition: `condition=X` or `jsonpath=...`."""
        line = ("wait", what, f"--for={condition}", f"--timeout={seconds}s")
        await self(*line, patience=seconds + PATIENCE_S)

    def acting_as(self, account: str) -> Self:
        """Return a kubectl that acts as a ServiceAccount of this namespace."""
        return replace(self, user=f"system:serviceaccount:{self.namespace}:{account}")

    def show(self, *question: str) -> str:
        """Return the last lines of what a command prints, for a person; also if it fails."""
        command = [str(KUBECTL), *self._flags(), "--request-timeout=5s", *question]
        try:
            done = subprocess.run(
                command,
                env=self.environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=SHOW_PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return "no answer"
        return last_lines(done.stdout + done.stderr)

    def environment(self) -> dict[str, str]:
        """Return the environment in which it runs: nothing of this machine's own clusters."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.home),
            "PATH": os.environ.get("PATH", ""),  # `kubectl diff` runs diff
        }

    def _flags(self) -> list[str]:
        acting = [f"--as={self.user}"] if self.user else []
        return [f"--namespace={self.namespace}", *acting]


def _manifest(stdin: object) -> bytes:
    if stdin is None:
        return b""
    if isinstance(stdin, list):
        return orjson.dumps({"apiVersion": "v1", "kind": "List", "items": stdin})
    return orjson.dumps(stdin)


def last_lines(text: str) -> str:
    """Return the end of a text, and how many lines came before it."""
    lines = text.splitlines()
    left_out = [f"... {len(lines) - SHOWN_LINES} lines before"] if len(lines) > SHOWN_LINES else []
    return "\n".join([*left_out, *lines[-SHOWN_LINES:]])
