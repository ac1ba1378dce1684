"""`grctl dev`: everything on this machine: an API, the operator and a worker, each a process.

1. It starts the programs that a person can start by hand, and changes nothing for a run.
2. If one program ends, all end: a missing one would only be noticed by runs that do not go on.
3. No program is left running, in whatever way the command ends.
4. Its operator asks workers for a token, as in a cluster: other users of this machine, and pages in
   its browsers, must not read inputs or complete runs.
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
from grctl.cli.options import HIGHEST_TCP_PORT

if TYPE_CHECKING:
    from grctl.cli.children import Children, Show

OPERATOR_PORT = 8700
DEV_AUDIENCE = "grctl.dev"
DEV_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

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
    typer.Option(min=0, max=HIGHEST_TCP_PORT, help="port of the Kubernetes API (0: a free one)"),
]
OperatorPort = Annotated[
    int,
    typer.Option(
        min=0,
        max=HIGHEST_TCP_PORT,
        help="port where workers connect to the operator (0: a free one)",
    ),
]
Kubeconfig = Annotated[Path, typer.Option(metavar="FILE", help="kubeconfig file to write")]


@dataclass(frozen=True)
class Plan:
    """The settings of the programs to start."""

    references: tuple[str, ...]
    data: Path | None
    port: int
    operator_port: int
    kubeconfig: Path

    @property
    def token_file(self) -> Path:
        """The file with the token of workers, also of those that a person starts by hand."""
        return self.kubeconfig.with_name(f"{self.kubeconfig.name}.worker-token")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of each process. Output is unbuffered, so that lines appear at once."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PYTHONUNBUFFERED": "1"}

    @property
    def operator_url(self) -> str:
        """The address that workers connect to."""
        return f"http://127.0.0.1:{self.operator_port}"

    def local_command(self) -> list[str]:
        """Return the command of the Kubernetes API."""
        arguments = ["--port", str(self.port), "--kubeconfig", str(self.kubeconfig)]
        if self.data is not None:
            arguments += ["--data", str(self.data)]
        return command_of("grctl_local", arguments)

    def operator_command(self) -> list[str]:
        """Return the command of the operator."""
        arguments = ["--kubeconfig", str(self.kubeconfig), "--port", str(self.operator_port)]
        arguments += ["--worker-auth", "token", "--worker-audience", DEV_AUDIENCE]
        return command_of("grctl_operator", arguments)

    @property
    def namespace(self) -> str:
        """The namespace that workers serve here."""
        return os.environ.get("GRCTL_NAMESPACE", "").partition(",")[0].strip() or "default"

    @property
    def worker_environment(self) -> dict[str, str]:
        """The environment of the worker, with its token file and its namespace."""
        own = {"GRCTL_WORKER_TOKEN_FILE": str(self.token_file), "GRCTL_NAMESPACE": self.namespace}
        return {**self.environment, **own}

    def worker_command(self) -> list[str]:
        """Return the command of the worker."""
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
    """Return the port on which the operator will listen; for 0 a free one.

    A port in use most likely belongs to another operator, and our worker would connect to that one.
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
    """Start all programs, wait for a signal or the end of one, stop all. Return the exit code."""
    from grctl.cli.children import Children
    from grctl.cli.lines import Lines

    show = Lines(("grctl", "local", "operator", "worker")).show
    async with Children(show, _grace_s()) as children:
        stopped = _stop_requested(children, show)
        starting = asyncio.create_task(_start(plan, children, show))
        try:
            await _wait_for_first(starting, children.ended, stopped)
            if starting.done():
                starting.result()
                await _wait_for_first(children.ended, stopped)
        finally:
            starting.cancel()
        if not children.ended.done():
            return 0
        ended = children.ended.result()
        await asyncio.wait(ended.tasks, timeout=1)  # until its last lines, which say why, are shown
        code = ended.process.returncode
        show("grctl", f"{ended.name} ended with exit code {code}: stopping everything")
        if ended.name != "worker":
            children.kill()  # a busy worker would wait for an operator that is gone
        return 1


def _grace_s() -> float:
    """Return the seconds in which a process must stop: those of the worker's handlers, and more."""
    from grctl.cli.children import CHILD_GRACE_S

    try:
        return float(os.environ.get("GRCTL_WORKER_GRACE") or 0) + CHILD_GRACE_S
    except ValueError:  # the worker reports the wrong value
        return CHILD_GRACE_S


async def _wait_for_first(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _stop_requested(children: "Children", show: "Show") -> "asyncio.Future[None]":
    """Return a future that is done at the first signal to stop. The second signal kills."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if stopped.done():
            children.kill()
            return
        stopped.set_result(None)
        show("grctl", "Stopping; Ctrl-C again stops at once, without waiting for handlers")

    for number in DEV_STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopped


async def _start(plan: Plan, children: "Children", show: "Show") -> None:
    """Start each program once the programs that it needs are ready."""
    from grctl.cli.installing import (
        install_crds,
        version_of,
        wait_until_listening,
        wait_until_replaced,
    )
    from grctl.cli.worker_account import write_worker_token

    before = version_of(plan.kubeconfig)
    await children.start("local", plan.local_command(), plan.environment)
    await wait_until_replaced(plan.kubeconfig, before)
    await install_crds(plan.kubeconfig)
    await write_worker_token(plan.kubeconfig, plan.namespace, DEV_AUDIENCE, plan.token_file)
    await children.start("operator", plan.operator_command(), plan.environment)
    await wait_until_listening(plan.operator_port)
    if plan.references:
        await children.start("worker", plan.worker_command(), plan.worker_environment)
    for line in _next_steps(plan):
        show("grctl", line)


def _data_hint(plan: Plan) -> str:
    if plan.data is None:
        return "Runs and events are gone then; --data FILE keeps them."
    return f"Runs and events stay in {plan.data}."


def _next_steps(plan: Plan) -> list[str]:
    """Return the lines that say how to use it from another shell."""
    commands = [
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
        *(f"  {line}" for line in commands),
        "",
        "Another worker needs the token of this one:",
        "",
        f"  export GRCTL_WORKER_TOKEN_FILE={shlex.quote(str(plan.token_file))}",
        f"  grctl worker --operator-url {plan.operator_url} MODULE:NAME",
        "",
        f"Ctrl-C stops everything. {_data_hint(plan)}",
    ]
