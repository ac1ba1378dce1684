"""`grctl local` and `grctl operator`: this process becomes that program, with its arguments.

The SDK imports neither of the packages that hold the programs.
"""

import os
import sys
from importlib.util import find_spec

import typer

from grctl.cli.failing import fail

PASS_ON_ALL_FLAGS = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""All flags are passed on, `--help` too."""

EXTRAS = {"grctl_local": "local", "grctl_operator": "operator"}
MODULES_OF_EXTRA = {
    "grctl_local": ("cel", "cryptography"),
    "grctl_operator": ("kopf", "prometheus_client"),
}
"""Modules that only the extra installs. The programs themselves are part of every wheel."""


def local(context: typer.Context) -> None:
    """Run a Kubernetes API in one process, for this machine only."""
    _hand_over("grctl_local", context.args)


def operator(context: typer.Context) -> None:
    """Run the operator, which decides what each run does next."""
    _hand_over("grctl_operator", context.args)


def check_installed(*modules: str) -> None:
    """Fail if modules of an extra are not installed, with the command that installs it."""
    missing = [module for module in modules if not _is_installed(module)]
    if missing:
        extras = ",".join(EXTRAS[module] for module in missing)
        commands = " and ".join(f"`grctl {EXTRAS[module]}`" for module in missing)
        verb = "is" if len(missing) == 1 else "are"
        fail(f'{commands} {verb} not installed here: pip install "grctl[{extras}]"')


def _is_installed(module: str) -> bool:
    return all(find_spec(name) is not None for name in (module, *MODULES_OF_EXTRA[module]))


def command_of(module: str, arguments: list[str]) -> list[str]:
    """Return the command line of a program. Fail if it is not installed."""
    check_installed(module)
    # -P: a user's file in this directory is never imported in place of a module of ours.
    return [sys.executable, "-P", "-m", module, *arguments]


def _hand_over(module: str, arguments: list[str]) -> None:
    command = command_of(module, arguments)
    os.execv(command[0], command)  # noqa: S606  no shell is wanted
