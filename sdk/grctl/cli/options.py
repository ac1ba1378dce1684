"""Options that several commands share: which API, and which namespace."""

from typing import Annotated

import typer

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
WorkflowId = Annotated[
    str, typer.Argument(metavar="ID", help="Workflow id: the name of the WorkflowRun.")
]
