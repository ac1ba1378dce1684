"""JSON given on the command line, and what to say when a shell has eaten its quotes."""

import json
from typing import Any

import typer


def read_json(text: str | None, flag: str) -> Any:
    """Give the value of a flag that takes JSON; None where it is not given.

    Raises:
        BadParameter: it is no JSON; points at the place and says how to quote it.
    """
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise typer.BadParameter(_explain(text, error), param_hint=flag) from error


def _refuse(word: str) -> None:
    raise ValueError(f"JSON has no {word}")


def _explain(text: str, error: ValueError) -> str:
    """Quote the text with a mark under the place, and suggest what was probably meant."""
    if not isinstance(error, json.JSONDecodeError):
        return f"{text}: {error}"
    before = text[: error.pos].rpartition("\n")[2]
    line = before + text[error.pos :].partition("\n")[0]
    place = f"{line}\n{' ' * len(before)}^ {error.msg}"
    return f"this is no JSON:\n{place}\n{_hint(text)}"


def _hint(text: str) -> str:
    if text.lstrip()[:1] in {"{", "["}:
        return """Put it in single quotes, so that the shell keeps the double ones: '{"key": 1}'"""
    return f"Text needs double quotes inside single ones: '{json.dumps(text)}'"
