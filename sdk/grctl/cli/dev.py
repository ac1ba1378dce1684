"""`grctl dev`: everything on this machine: an API, the operator and a worker, each a process.

1. It starts what a person can start by hand, and adds nothing that matters to a run.
2. If one of them ends, all end: a part that is missing would only show as runs that stand still.
3. Nothing is left running, however it ends.
4. Its operator asks workers for a token, as in a cluster: other users of this machine, and whatever
   runs in its browsers, must not read inputs or complete runs.
"""

import asyncio
import os
import shlex
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.failing import LOCAL_KUBECONFIG, fail, run
from grctl.cli.handover import check_installed, command_of
from grctl.cli.options import LAST_PORT

if TYPE_CHECKING:
    from grctl.cli.children import Children, Show

OPERATOR_PORT = 8700
AUDIENCE = "grctl.dev"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

References = Annotated[
    list[str] | None,
    typer.Argument(metavar="MODULE:NAME", help="Workflows for a worker; none: no worker."),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="file that keeps the objects (default: in memory)"),
]
Port = Annotated[
    int,
    typer.Option(min=0, max=LAST_PORT, help="port of the Kubernetes API (0: a free one)"),
]
OperatorPort = Annotated[
    int,
    typer.Option(
        min=0, max=LAST_PORT, help="port where workers connect to the operator (0: a free one)"
    ),
]
Kubeconfig = Annotated[Path, typer.Option(metavar="FILE", help="kubeconfig file to write")]


@dataclass(frozen=True)
class Plan:
    """What is to run."""

    references: tuple[str, ...]
    data: Path | None
    port: int
    operator_port: int
    kubeconfig: Path

    @property
    def token_file(self) -> Path:
        """Where the token of workers is, for those that a person starts by hand."""
        return self.kubeconfig.with_name(f"{self.kubeconfig.name}.worker-token")

    @property
    def environment(self) -> dict[str, str]:
        """What each process finds; output unbuffered, so that lines come when they are written."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PYTHONUNBUFFERED": "1"}

    @property
    def operator_url(self) -> str:
        """Where workers connect."""
        return f"http://127.0.0.1:{self.operator_port}"

    def local(self) -> list[str]:
        """Give the command of the Kubernetes API."""
        arguments = ["--port", str(self.port), "--kubeconfig", str(self.kubeconfig)]
        if self.data is not None:
            arguments += ["--data", str(self.data)]
        return command_of("grctl_local", arguments)

    def operator(self) -> list[str]:
        """Give the command of the operator."""
        arguments = ["--kubeconfig", str(self.kubeconfig), "--port", str(self.operator_port)]
        arguments += ["--worker-auth", "token", "--worker-audience", AUDIENCE]
        return command_of("grctl_operator", arguments)

    @property
    def namespace(self) -> str:
        """The namespace that workers serve here."""
        return os.environ.get("GRCTL_NAMESPACE", "").partition(",")[0].strip() or "default"

    @property
    def worker_environment(self) -> dict[str, str]:
        """What a worker finds: where its token is, and what it serves."""
        own = {"GRCTL_WORKER_TOKEN_FILE": str(self.token_file), "GRCTL_NAMESPACE": self.namespace}
        return {**self.environment, **own}

    def worker(self) -> list[str]:
        """Give the command of the worker."""
        return [
            *(sys.executable, "-P", "-m", "grctl.cli", "worker"),
            *("--operator-url", self.operator_url),
            *("--", *self.references),
        ]


def dev(
    references: References = None,
    data: Data = None,
    port: Port = 0,
    operator_port: OperatorPort = OPERATOR_PORT,
    kubeconfig: Kubeconfig = LOCAL_KUBECONFIG,
) -> None:
    """Run everything on this machine, until interrupted.

    That is a Kubernetes API of its own, the operator, and a worker of the workflows that are named.
    """
    check_installed("grctl_local", "grctl_operator")
    if kubeconfig.exists() and not kubeconfig.is_file():
        fail(f"the kubeconfig {kubeconfig} is not a file: name one to write")
    port_of_operator = _free_port(operator_port)
    plan = Plan(tuple(references or ()), data, port, port_of_operator, kubeconfig.absolute())
    raise typer.Exit(run(_develop(plan)))


def _free_port(wanted: int) -> int:
    """Give the port where the operator will listen, a free one for 0.

    One that is taken belongs to another operator, most likely; our worker would go to that one.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            fail(
                f"port {wanted} cannot be used by the operator: {error.strerror}. Does another"
                " `grctl dev` run? --operator-port 0 takes a free one."
            )
        port: int = probe.getsockname()[1]
        return port


async def _develop(plan: Plan) -> int:
    """Start all, wait for a signal or the end of one, stop all. Give the exit code."""
    from grctl.cli.children import Children
    from grctl.cli.lines import Lines

    show = Lines(("grctl", "local", "operator", "worker")).show
    async with Children(show, _grace()) as children:
        stopped = _stop_signals(children, show)
        starting = asyncio.create_task(_start(plan, children, show))
        try:
            await _first(starting, children.ended, stopped)
            if starting.done():
                starting.result()
                await _first(children.ended, stopped)
        finally:
            starting.cancel()
        if not children.ended.done():
            return 0
        ended = children.ended.result()
        await asyncio.wait(ended.tasks, timeout=1)  # its last lines say why
        code = ended.process.returncode
        show("grctl", f"{ended.name} ended with exit code {code}: stopping everything")
        if ended.name != "worker":
            children.kill()  # a worker that executes something would wait for what is gone
        return 1


def _grace() -> float:
    """Return how many seconds a process gets to stop: what the worker's handlers get, and more."""
    from grctl.cli.children import CHILD_GRACE_S

    try:
        return float(os.environ.get("GRCTL_WORKER_GRACE") or 0) + CHILD_GRACE_S
    except ValueError:  # the worker says what is wrong with it
        return CHILD_GRACE_S


async def _first(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _stop_signals(children: "Children", show: "Show") -> "asyncio.Future[None]":
    """Give what is done at the first signal. The second one kills."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if stopped.done():
            children.kill()
            return
        stopped.set_result(None)
        show("grctl", "Stopping; Ctrl-C again stops at once, without waiting for handlers")

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopped


async def _start(plan: Plan, children: "Children", show: "Show") -> None:
    """Start each part when what it needs is there."""
    from grctl.cli.installing import install_crds, listening, version_of, written_anew
    from grctl.cli.worker_account import write_worker_token

    before = version_of(plan.kubeconfig)
    await children.start("local", plan.local(), plan.environment)
    await written_anew(plan.kubeconfig, before)
    await install_crds(plan.kubeconfig)
    await write_worker_token(plan.kubeconfig, plan.namespace, AUDIENCE, plan.token_file)
    await children.start("operator", plan.operator(), plan.environment)
    await listening(plan.operator_port)
    if plan.references:
        await children.start("worker", plan.worker(), plan.worker_environment)
    for line in _what_next(plan):
        show("grctl", line)


def _kept(plan: Plan) -> str:
    if plan.data is None:
        return "Runs and events are gone then; --data FILE keeps them."
    return f"Runs and events stay in {plan.data}."


def _what_next(plan: Plan) -> list[str]:
    """Say how to use it from another shell."""
    try_ = [
        "grctl list                               the runs; kubectl get wfr,wfe",
        "kubectl apply -f FILE                    a WorkflowRun, a WorkflowEvent",
        "grctl start TYPE ID --input '{\"a\": 1}'   start a run",
        "grctl send ID EVENT                      send it an event",
        "grctl describe ID                        how it stands",
    ]
    return [
        "Ready. In another shell:",
        "",
        f"  export KUBECONFIG={shlex.quote(str(plan.kubeconfig))}",
        *(f"  {line}" for line in try_),
        "",
        "Another worker needs the token of this one:",
        "",
        f"  export GRCTL_WORKER_TOKEN_FILE={shlex.quote(str(plan.token_file))}",
        f"  grctl worker --operator-url {plan.operator_url} MODULE:NAME",
        "",
        f"Ctrl-C stops everything. {_kept(plan)}",
    ]
