"""`grctl local` and `grctl operator`: they hand over to the packages that hold those programs.

This process becomes theirs, with the same arguments. The SDK imports neither.
"""

import os
import sys
from importlib.util import find_spec

import typer

from grctl.cli.failing import fail

HANDED_OVER = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""All flags are theirs, `--help` too."""

EXTRAS = {"grctl_local": "local", "grctl_operator": "operator"}
NEEDED = {"grctl_local": "grctl_local", "grctl_operator": "kopf"}
"""What is not there without the extra."""


def local(context: typer.Context) -> None:
    """Run a Kubernetes API in one process, for this machine only."""
    _hand_over("grctl_local", context.args)


def operator(context: typer.Context) -> None:
    """Run the operator, which decides what each run does next."""
    _hand_over("grctl_operator", context.args)


def command_of(module: str, arguments: list[str]) -> list[str]:
    """Give the command line that runs a program; fail where it is not installed."""
    if find_spec(module) is None or find_spec(NEEDED[module]) is None:
        extra = EXTRAS[module]
        fail(f'`grctl {extra}` is not installed here: pip install "grctl[{extra}]"')
    # -P: a file of the user's in this directory is never taken for a module of ours.
    return [sys.executable, "-P", "-m", module, *arguments]


def _hand_over(module: str, arguments: list[str]) -> None:
    command = command_of(module, arguments)
    os.execv(command[0], command)  # noqa: S606  no shell is wanted
