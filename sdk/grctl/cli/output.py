"""What a command prints: text for people, or the same as JSON or YAML for programs.

1. JSON and YAML have the fields of the SDK's `RunInfo` and of the resources. Text may change.
2. Standard output has what was asked for; what is said beside it goes to standard error.
3. Messages and names come from others: text passes on no character that a terminal would obey.
"""

import shutil
import sys
from enum import StrEnum
from typing import Any

import typer


class Format(StrEnum):
    """How a command prints."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def show(text: str, made: Any, output: Format) -> None:
    """Print text, or the JSON of which it tells."""
    match output:
        case Format.JSON:
            typer.echo(as_json(made))
        case Format.YAML:
            typer.echo(as_yaml(made))
        case _:
            typer.echo(text)


def as_json(value: Any) -> str:
    """Write JSON for people and programs."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)


def as_yaml(value: Any) -> str:
    """Write YAML; long texts stay on one line, as kubectl writes them."""
    import math

    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...")


def terminal_width() -> int | None:
    """Give the columns of the terminal; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
