"""The commands of `grctl`, registered in the order in which a person first needs them."""

import os
import sys
from typing import Annotated

import typer

from grctl.cli.crds import crds
from grctl.cli.describe import describe
from grctl.cli.dev import dev
from grctl.cli.end import cancel, terminate
from grctl.cli.failing import say
from grctl.cli.handover import PASS_ON_ALL_FLAGS, local, operator
from grctl.cli.history import history
from grctl.cli.leading import Commands
from grctl.cli.list_runs import list_runs
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    Context,
    Kubeconfig,
    Namespace,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, show
from grctl.cli.retry import retry
from grctl.cli.send import send
from grctl.cli.start import start
from grctl.cli.worker import worker

EXIT_CODES = """Exit codes: 0 done; 1 it failed, or what was waited for did not come, and standard
error says why; 2 a wrong call; 130 interrupted."""

app = typer.Typer(
    name="grctl",
    cls=Commands,
    help="Durable, event-driven workflows in Python, run by Kubernetes.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its frames would wrap messages that point at a place in JSON
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        show(f"grctl {version('grctl')}", None, Format.TEXT)
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
]


@app.callback()
def _options(
    *,
    version: Version = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
    output: Output = Format.TEXT,
) -> None:
    """Declare the options of `grctl` itself. `leading` moves the others behind the command."""


app.command()(dev)
app.command()(worker)
app.command(context_settings=PASS_ON_ALL_FLAGS)(local)
app.command(context_settings=PASS_ON_ALL_FLAGS)(operator)
app.command()(crds)
app.command()(start)
app.command()(send)
app.command("list")(list_runs)
app.command()(describe)
app.command()(history)
app.command()(retry)
app.command()(cancel)
app.command()(terminate)


def main() -> None:
    """Run the command line of this process."""
    try:
        app()
    except Exception as error:
        if os.environ.get("GRCTL_DEBUG"):
            raise
        if isinstance(error, OSError):  # a fault of this machine, such as a full disk
            say(str(error))
            sys.exit(1)
        say(f"unexpected {type(error).__name__}: {error} (GRCTL_DEBUG=1 shows where)")
        sys.exit(1)
