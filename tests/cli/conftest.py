"""An API server with our CRDs, and the command line."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

from grctl.cli.app import app
from grctl.kube import CRDS, RUNS, Api, Connection
from grctl.models.crds import all_crds
from grctl_local import LocalServer

Grctl = Callable[..., Result]
Answer = TypeVar("Answer")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("NAMESPACE", "OPERATOR_URL", "WORKER_NAME", "WORKER_CAPACITY", "LOG_LEVEL", "DEBUG")
    for name in names:
        monkeypatch.delenv(f"GRCTL_{name}", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def grctl() -> Grctl:
    """Return a function that runs a command in this process."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve an API from another thread, as commands run their own loops. Set $KUBECONFIG."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    with _in_thread(lambda ready, stop: _serve(path, ready, stop)):
        yield path


def read_run(kubeconfig: Path, name: str) -> dict[str, Any]:
    """Read a run."""

    async def read() -> dict[str, Any]:
        async with Api(await Connection.find(kubeconfig)) as api:
            return await api.get(RUNS.path("default", name))

    return asyncio.run(read())


def send_request(kubeconfig: Path, act: Callable[[Api], Awaitable[Answer]]) -> Answer:
    """Send one request. Return its answer."""

    async def do() -> Answer:
        async with Api(await Connection.find(kubeconfig)) as api:
            return await act(api)

    return asyncio.run(do())


def set_status(kubeconfig: Path, name: str, status: dict[str, Any]) -> None:
    """Write the status of a run, as the operator would."""

    async def write() -> None:
        async with Api(await Connection.find(kubeconfig)) as api:
            run = await api.get(RUNS.path("default", name))
            await api.replace(RUNS.path("default", name, "status"), run | {"status": status})

    asyncio.run(write())


async def _serve(path: Path, ready: Callable[[], None], stop: asyncio.Event) -> None:
    async with LocalServer(kubeconfig_path=path):
        async with Api(await Connection.find(path)) as api:
            for crd in all_crds():
                await api.create(CRDS.path(), crd)
        ready()
        await stop.wait()


@contextmanager
def _in_thread(serve: Callable[..., Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run a server in the event loop of another thread.

    The runner ends whatever the server leaves: a command that ended early may still be connecting.
    """
    ready, stop = threading.Event(), asyncio.Event()
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()
    thread = threading.Thread(target=_run_to_the_end, args=(runner, serve(ready.set, stop)))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def _run_to_the_end(runner: asyncio.Runner, server: Coroutine[Any, Any, None]) -> None:
    with runner:
        runner.run(server)
