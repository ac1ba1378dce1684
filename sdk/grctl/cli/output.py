"""The output of a command: text for people, or the same as JSON or YAML for programs.

1. JSON and YAML have the fields of the SDK's `RunInfo` and of the resources. Text may change.
2. The requested data goes to standard output, and everything else to standard error.
3. Text, JSON and YAML contain no character that a terminal would obey.
4. A report of an action that cannot be written to standard output goes to standard error, and the
   exit code is that of the action. Only if the output is the purpose of the command, as with
   `grctl list`, is an output that cannot be written a failure.
"""

import shutil
import sys
from enum import StrEnum
from typing import Any

import typer

from grctl.cli.failing import fail, say
from grctl.cli.streams import takes_unicode, write_output
from grctl.terminal import json_escaped, printable_lines


class Format(StrEnum):
    """The format of a command's output."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def show(text: str, data: Any, output: Format, hint: str = "") -> None:
    """Print the requested data. If it cannot be written, the command fails.

    Args:
        text: The data for people.
        data: The data for programs, to be written as JSON or YAML.
        output: The format.
        hint: A sentence for the error.
    """
    try:
        write_output(_formatted(text, data, output))
    except BrokenPipeError:  # its reader has ended, as in `| head`
        raise typer.Exit(1) from None
    except OSError as error:
        fail(f"{_write_error(error)}. {hint}".rstrip())


def report(text: str, data: Any, output: Format) -> None:
    """Report an action on standard output or, if that cannot be written, on standard error."""
    try:
        write_output(_formatted(text, data, output))
    except OSError as error:
        say(f"{text} ({_write_error(error)})")


def as_json(value: Any) -> str:
    """Return a value as JSON for people and programs."""
    import json

    return json_escaped(json.dumps(value, indent=2, ensure_ascii=not takes_unicode()))


def terminal_width() -> int | None:
    """Return the columns of the terminal; None if the output goes elsewhere."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def _formatted(text: str, data: Any, output: Format) -> str:
    match output:
        case Format.JSON:
            return as_json(data)
        case Format.YAML:
            from grctl.cli.yaml_text import as_yaml

            return as_yaml(data, unicode=takes_unicode())
        case _:
            return printable_lines(text)


def _write_error(error: OSError) -> str:
    return f"standard output cannot be written: {error.strerror}"
