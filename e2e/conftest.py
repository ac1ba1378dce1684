"""What the suite installs before its tests, and removes after them.

1. A missing cluster is an error, not a skip.
2. A test that needs something that the cluster lacks is deselected, and the summary says why.
3. Modules run in ORDER: tests that end the installation come last.
4. A test that fails shows what a person would look at.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from e2e.evidence import evidence
from e2e.installation import Installation, install_operator
from e2e.lab import ClusterLab, cluster_lab
from e2e.settings import MISSING, ROOT, Settings

ORDER = (
    "test_installation",
    "test_page",
    "test_access",
    "test_deletion",
    "test_housekeeping",
    "test_gitops",
    "test_late_image",
    "test_faults",
    "test_updates",
    "test_uninstall",
    "test_permissions",
)
WORKER_IMAGE = "orders:0.1.0"
DESELECTED = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for marker, reason in MISSING.items():
        config.addinivalue_line("markers", f"{marker}: not run where {reason}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the modules in order, and deselect tests that this cluster cannot run."""
    settings = Settings.read()
    if settings is None:
        raise pytest.UsageError("No cluster: make e2e KUBECONFIG=FILE [IMAGE=...]")
    items.sort(key=lambda item: ORDER.index(item.path.stem))
    able = settings.able
    lacking = {item: _missing(item, able) for item in items}
    out = [item for item in items if lacking[item]]
    items[:] = [item for item in items if not lacking[item]]
    config.hook.pytest_deselected(items=out)
    config.stash[DESELECTED] = {
        MISSING[name]: [item.nodeid for item in out if lacking[item] == name] for name in MISSING
    }


def _missing(item: pytest.Item, able: frozenset[str]) -> str | None:
    needed = [name for name in MISSING if item.get_closest_marker(name)]
    return next((name for name in needed if name not in able), None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write which tests were not run, and why."""
    for reason, names in terminalreporter.config.stash.get(DESELECTED, {}).items():
        for name in names:
            terminalreporter.write_line(f"NOT RUN {name}: {reason}")


@pytest.fixture(scope="session")
def settings() -> Settings:
    settings = Settings.read()
    assert settings
    return settings


@pytest.fixture(scope="session")
def worker_image(settings: Settings) -> str:
    """A worker's image, made by the three lines of the guide."""
    dockerfile = ROOT / "e2e" / "worker" / "Dockerfile"
    settings.build_image(WORKER_IMAGE, ROOT / "examples", dockerfile)
    return WORKER_IMAGE


@pytest.fixture(scope="session")
def installation(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The operator, installed by its chart."""
    settings.build_image(settings.image)
    installation = Installation(settings, tmp_path_factory.mktemp("operator"))
    asyncio.run(install_operator(installation))
    yield installation
    asyncio.run(installation.remove())


@pytest.fixture
async def lab(
    settings: Settings, installation: Installation, worker_image: str, tmp_path: Path
) -> AsyncIterator[ClusterLab]:
    """A namespace of its own."""
    async with cluster_lab(settings, tmp_path, installation.address, worker_image) as lab:
        yield lab


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the evidence to the report of a test that failed."""
    report = yield
    settings = Settings.read()
    if settings and report.failed and call.when == "call":
        report.sections.extend(evidence(settings))
    return report
