"""The modules that an import of our packages loads, and those that it must not load."""

import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_importing_workflows_loads_no_network_library() -> None:
    loaded = modules_after("import grctl.workflow")

    assert not loaded & {"aiohttp", "asyncio", "kubernetes", "grctl.kube", "grctl.worker"}


@pytest.mark.parametrize("forbidden", ["kubernetes", "grctl.kube", "grctl.client"])
def test_a_worker_makes_no_api_calls_and_cannot(forbidden: str) -> None:
    loaded = modules_after("import grctl.worker, grctl.worker.context, grctl.worker.task")

    assert forbidden not in loaded
