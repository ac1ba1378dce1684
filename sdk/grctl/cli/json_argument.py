"""JSON given on the command line, and what to say when a shell has eaten its quotes.

`@FILE` stands for what is in a file, `@-` for standard input: an argument holds 128 KiB at most.
"""

import json
import sys
from pathlib import Path
from typing import Any

import typer

AROUND = 60  # characters before and after a mistake that are quoted


def read_json(text: str | None, flag: str) -> Any:
    """Give the value of a flag that takes JSON; None where it is not given.

    Raises:
        BadParameter: it is no JSON; points at the place and says how to quote it. Or the file that
            it names cannot be read.
    """
    if text is None:
        return None
    given = text
    try:
        if given.startswith("@"):
            given = _content(given[1:])
        return json.loads(given, parse_constant=_refuse)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from error
    except ValueError as error:
        hint = "" if given is not text else f"\n{_hint(text)}"
        raise typer.BadParameter(_explain(given, error) + hint, param_hint=flag) from error


def _content(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")


def _refuse(word: str) -> None:
    raise ValueError(f"JSON has no {word}")


def _explain(text: str, error: ValueError) -> str:
    """Quote the text with a mark under the place."""
    if not isinstance(error, json.JSONDecodeError):
        return f"this is no JSON: {error}"
    before = text[: error.pos].rpartition("\n")[2][-AROUND:]
    after = text[error.pos :].partition("\n")[0][:AROUND]
    return f"this is no JSON:\n{before}{after}\n{' ' * len(before)}^ {error.msg}"


def _hint(text: str) -> str:
    if text.lstrip()[:1] in {"{", "["}:
        return """Put it in single quotes, so that the shell keeps the double ones: '{"key": 1}'"""
    return f"Text needs double quotes inside single ones: '{json.dumps(text)}'"
