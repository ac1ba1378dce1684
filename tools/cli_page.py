"""The page of the command line: the output of `--help`, command by command.

1. The page and `--help` have the same text.
2. Two commands hand over to programs of their own; their `--help` comes from these programs.
"""

import contextlib
import io
import os
from collections.abc import Callable
from unittest.mock import patch

from typer.testing import CliRunner

from grctl.cli.app import app
from grctl_local.__main__ import main as local
from grctl_operator.__main__ import main as operator

WIDTH = "100"  # columns, as the other files
HANDED_OVER: dict[str, Callable[[list[str]], int]] = {"local": local, "operator": operator}

HEAD = """<!-- Generated from sdk/grctl/cli by `make fix`. Do not edit. -->
# Command line

Settings come from flags, then from `GRCTL_*` variables; the Kubernetes API from `--kubeconfig`,
`KUBECONFIG`, `~/.kube/config` or the pod's ServiceAccount, as for kubectl. `--namespace`,
`--context`, `--kubeconfig`, `--output` and `--request-timeout` may stand before the command:
`grctl -n shop list`. The result of a command goes to standard output, everything else to standard
error.

| Exit code | |
|---|---|
| 0 | Done. With `--wait`: the run completed, the event was processed, the run ended as asked. |
| 1 | It failed, or the awaited state did not come; standard error says why. The run goes on. |
| 2 | A wrong call: an unknown flag, invalid JSON, an invalid duration. |
| 130 | Interrupted. Whatever the command has sent stays. |

The exit code of `start`, `send`, `retry`, `cancel` and `terminate` says what they did: if their
report cannot be written to standard output, standard error has it. If the output is the purpose of
the command (`list`, `describe`, `history`, a result) and cannot be written, the exit code is 1.
Characters that the encoding of the output does not have are escaped.

`-o json` and `-o yaml` print the fields of the SDK's `RunInfo`, or of a WorkflowEvent's status with
its `name`, `workflowId` and `eventName`; `grctl list` prints a list of them.

`grctl --install-completion` makes bash, zsh and fish complete commands, flags, workflow ids and the
event names of a run. `GRCTL_DEBUG=1` shows the stack trace of an unexpected error.
"""


def cli_page() -> str:
    """Return the text of the page."""
    with patch.dict(os.environ, {"COLUMNS": WIDTH}):
        sections = [_section("grctl", _help())]
        for command in app.registered_commands:
            name = command.name or command.callback.__name__  # type: ignore[union-attr]
            told = _help_of(HANDED_OVER[name]) if name in HANDED_OVER else _help(name)
            sections.append(_section(f"grctl {name}", told))
    return HEAD + "".join(sections)


def _section(title: str, told: str) -> str:
    lines = "\n".join(line.rstrip() for line in told.strip().splitlines())
    return f"\n## `{title}`\n\n```text\n{lines}\n```\n"


def _help(*command: str) -> str:
    return CliRunner().invoke(app, [*command, "--help"], prog_name="grctl").output


def _help_of(program: Callable[[list[str]], int]) -> str:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        program(["--help"])
    return told.getvalue()
