"""What a command prints: text for people, or the same as JSON or YAML for programs.

1. JSON and YAML have the fields of the SDK's `RunInfo` and of the resources. Text may change.
2. Standard output has what was asked for; what is said beside it goes to standard error.
3. Text, JSON and YAML pass on no character that a terminal would obey.
4. What was done is done: a report of it that cannot be written to standard output goes to standard
   error, and the exit code says what was done. Only where the output is what was asked for, as in
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
    """How a command prints."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def show(text: str, made: Any, output: Format, otherwise: str = "") -> None:
    """Print what was asked for. If it cannot be written, the command fails.

    Args:
        text: What people read.
        made: What programs read, as JSON or YAML.
        output: Which of the two.
        otherwise: What the error says in addition.
    """
    try:
        write_output(_formatted(text, made, output))
    except BrokenPipeError:  # its reader has seen enough, as in `| head`
        raise typer.Exit(1) from None
    except OSError as error:
        fail(f"{_unwritten(error)}. {otherwise}".rstrip())


def report(text: str, made: Any, output: Format) -> None:
    """Print what was done to standard output or, if that cannot be written, to standard error."""
    try:
        write_output(_formatted(text, made, output))
    except OSError as error:
        say(f"{text} ({_unwritten(error)})")


def as_json(value: Any) -> str:
    """Write JSON for people and programs."""
    import json

    return json_escaped(json.dumps(value, indent=2, ensure_ascii=not takes_unicode()))


def terminal_width() -> int | None:
    """Return the columns of the terminal; None if the output goes elsewhere."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def _formatted(text: str, made: Any, output: Format) -> str:
    match output:
        case Format.JSON:
            return as_json(made)
        case Format.YAML:
            from grctl.cli.yaml_text import as_yaml

            return as_yaml(made, unicode=takes_unicode())
        case _:
            return printable_lines(text)


def _unwritten(error: OSError) -> str:
    return f"standard output cannot be written: {error.strerror}"
