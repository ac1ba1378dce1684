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
NEEDED = {
    "grctl_local": ("cel", "cryptography"),
    "grctl_operator": ("kopf", "prometheus_client"),
}
"""What is not there without the extra: the wheel has the programs themselves in any case."""


def local(context: typer.Context) -> None:
    """Run a Kubernetes API in one process, for this machine only."""
    _hand_over("grctl_local", context.args)


def operator(context: typer.Context) -> None:
    """Run the operator, which decides what each run does next."""
    _hand_over("grctl_operator", context.args)


def check_installed(*modules: str) -> None:
    """Fail where programs lack what an extra brings, with the command that installs it."""
    missing = [module for module in modules if not _is_installed(module)]
    if missing:
        extras = ",".join(EXTRAS[module] for module in missing)
        commands = " and ".join(f"`grctl {EXTRAS[module]}`" for module in missing)
        verb = "is" if len(missing) == 1 else "are"
        fail(f'{commands} {verb} not installed here: pip install "grctl[{extras}]"')


def _is_installed(module: str) -> bool:
    return all(find_spec(name) is not None for name in (module, *NEEDED[module]))


def command_of(module: str, arguments: list[str]) -> list[str]:
    """Give the command line that runs a program; fail where it is not installed."""
    check_installed(module)
    # -P: a file of the user's in this directory is never taken for a module of ours.
    return [sys.executable, "-P", "-m", module, *arguments]


def _hand_over(module: str, arguments: list[str]) -> None:
    command = command_of(module, arguments)
    os.execv(command[0], command)  # noqa: S606  no shell is wanted
