"""A stock kubectl, in one namespace of the cluster."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

KUBECTL = Path(sys.executable).parent / "kubectl"
PATIENCE = 30.0  # s: for one command that waits for nothing
ROLLOUT = 120  # s: for pods to come, on a machine that has other things to do

Json = dict[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """kubectl in a namespace; `user` None: as the kubeconfig says."""

    kubeconfig: Path
    namespace: str
    home: Path
    """Where it caches what it has discovered."""
    user: str | None = None
    """A ServiceAccount of the namespace, that it acts as."""

    async def __call__(
        self,
        *arguments: str,
        stdin: object = None,
        fails: bool = False,
        patience: float = PATIENCE,
    ) -> str:
        """Run it; give what it prints. `stdin` is a manifest, or several in a list."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            *self._flags(),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "KUBECONFIG": str(self.kubeconfig),
                "HOME": str(self.home),
                "PATH": os.environ.get("PATH", ""),  # `kubectl diff` runs diff
            },
        )
        async with asyncio.timeout(patience):
            output, errors = await process.communicate(_manifest(stdin))
        said = output.decode() + errors.decode()
        assert bool(process.returncode) == fails, f"kubectl {' '.join(arguments)}: {said}"
        return said

    async def json(self, *arguments: str) -> Json:
        """Run `kubectl get ... -o json`."""
        found: Json = orjson.loads(await self("get", *arguments, "-o", "json"))
        return found

    async def apply(self, *manifests: Json) -> str:
        """Apply objects."""
        return await self("apply", "-f", "-", stdin=list(manifests))

    async def rolled_out(self, deployment: str) -> None:
        """Wait until all pods of a Deployment are new and ready."""
        line = ("rollout", "status", f"deployment/{deployment}", f"--timeout={ROLLOUT}s")
        await self(*line, patience=ROLLOUT + PATIENCE)

    async def wait(self, what: str, condition: str, seconds: int = 60) -> None:
        """Wait until an object is as it should be: `condition=X` or `jsonpath=...`."""
        line = ("wait", what, f"--for={condition}", f"--timeout={seconds}s")
        await self(*line, patience=seconds + PATIENCE)

    def acting_as(self, account: str) -> "Kubectl":
        """Give a kubectl of a ServiceAccount of this namespace."""
        user = f"system:serviceaccount:{self.namespace}:{account}"
        return Kubectl(self.kubeconfig, self.namespace, self.home, user)

    def _flags(self) -> list[str]:
        acting = [f"--as={self.user}"] if self.user else []
        return [f"--namespace={self.namespace}", *acting]


def _manifest(stdin: object) -> bytes:
    if stdin is None:
        return b""
    if isinstance(stdin, list):
        return orjson.dumps({"apiVersion": "v1", "kind": "List", "items": stdin})
    return orjson.dumps(stdin)
