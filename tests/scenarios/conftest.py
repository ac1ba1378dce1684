"""Where scenarios run: on the cluster of $SCENARIOS_KUBECONFIG, or on an embedded API server.

A scenario that fails shows what a person would look at. No process outlives the session.
"""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lab.api_server import api_server, kubeconfig_from
from tests.lab.evidence import evidence, with_evidence
from tests.lab.lab import Lab, lab_in, new_lab
from tests.lab.sandbox import Sandbox, new_sandbox
from tests.lab.workflows import WORKFLOWS

FAILED = pytest.StashKey[bool]()
"""Whether a scenario has failed by itself."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The kubeconfig of an API server that knows our resources."""
    directory = tmp_path_factory.mktemp("api")
    async with api_server(directory, kubeconfig_from("SCENARIOS_KUBECONFIG")) as server:
        yield server.kubeconfig


@pytest.fixture
def workflows() -> tuple[str, ...]:
    """What the workers of the lab serve."""
    return WORKFLOWS


@pytest.fixture
async def lab(
    kubeconfig: Path, tmp_path: Path, workflows: tuple[str, ...], request: pytest.FixtureRequest
) -> AsyncIterator[Lab]:
    """A namespace of its own with nothing running in it yet. Its history is checked at the end."""
    async with new_lab(kubeconfig, tmp_path, workflows=workflows) as lab:
        yield lab
        await _check_history(lab, request)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_sandbox(
    kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sandbox]:
    """A namespace with an operator and a worker, for scenarios that do not kill them."""
    async with new_sandbox(kubeconfig, tmp_path_factory.mktemp("sandbox")) as sandbox:
        await sandbox.start_both()
        yield sandbox


@pytest.fixture
async def shared_lab(shared_sandbox: Sandbox, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """A lab in a sandbox that other scenarios share, so ids and names must be a scenario's own."""
    async with lab_in(shared_sandbox) as lab:
        yield lab
        await _check_history(lab, request)


async def _check_history(lab: Lab, request: pytest.FixtureRequest) -> None:
    if request.node.stash.get(FAILED, False):
        return
    try:
        await lab.check_history()
    except AssertionError as error:
        raise AssertionError(with_evidence(str(error), lab)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the evidence to the report of a scenario that failed."""
    report = yield
    given = getattr(item, "funcargs", {})
    lab = given.get("lab") or given.get("shared_lab")
    if isinstance(lab, Lab) and report.failed and call.when == "call":
        item.stash[FAILED] = True
        report.sections.extend(evidence(lab))
    return report
