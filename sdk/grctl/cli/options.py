"""Options that several commands share: the API, the namespace, the run, and the output format."""

from typing import Annotated

import typer

from grctl.cli.completing import active_ids, all_ids, held_ids
from grctl.cli.output import Format
from grctl.cli.times import read_seconds

Kubeconfig = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="kubeconfig file (default: as kubectl finds it)"),
]
Context = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="context of the kubeconfig (default: its current one)"),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        envvar="GRCTL_NAMESPACE",
        help="namespace of the runs (default: the context's)",
    ),
]
RequestTimeout = Annotated[
    float,
    typer.Option(
        "--request-timeout",
        metavar="DURATION",
        parser=read_seconds,
        show_default=False,
        help="longest wait for an answer of the API: 5s, 1m; 0: any (default: 15s)",
    ),
]
COMMAND_REQUEST_TIMEOUT_S = 15.0  # an admission webhook may take 10

HIGHEST_TCP_PORT = 65_535

NewId = Annotated[str, typer.Argument(metavar="ID", help="Workflow id: the name of the run.")]
ActiveId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Workflow id: the name of the WorkflowRun.",
        autocompletion=active_ids,
    ),
]
HeldId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Workflow id: the name of the WorkflowRun.",
        autocompletion=held_ids,
    ),
]
AnyId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Workflow id: the name of the WorkflowRun.",
        autocompletion=all_ids,
    ),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="how to print")]
