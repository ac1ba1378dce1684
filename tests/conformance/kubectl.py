"""A stock kubectl, run against the cluster of the suite."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.conformance.client import TIMEOUT_S

KUBECTL = Path(sys.executable).parent / "kubectl"


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace."""

    kubeconfig: Path
    namespace: str
    home: Path
    """The directory in which kubectl caches discovery."""

    async def __call__(self, *arguments: str, stdin: object = None, fails: bool = False) -> str:
        """Run kubectl. Return what it prints. `stdin` is a manifest."""
        process = await self.start(*arguments)
        text = b"" if stdin is None else orjson.dumps(stdin)
        async with asyncio.timeout(TIMEOUT_S):
            output, errors = await process.communicate(text)
        said = output.decode() + errors.decode()
        assert bool(process.returncode) == fails, f"kubectl {arguments}: {said}"
        return said

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start kubectl and leave it running."""
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            f"--namespace={self.namespace}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)},
        )
