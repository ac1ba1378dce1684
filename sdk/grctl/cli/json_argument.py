"""JSON given on the command line, and errors that help if a shell has removed its quotes.

`@FILE` means the content of a file, `@-` standard input: an argument has at most 128 KiB.
JSON is UTF-8, whatever the terminal's encoding is; with a byte order mark, UTF-16 and UTF-32 too.
"""

import codecs
import json
import shlex
from pathlib import Path
from typing import Any

import typer

from grctl.cli.streams import read_input
from grctl.terminal import printable

QUOTED_PART_CHARS = 60  # before and after a mistake
LARGEST_JSON_BYTES = 16 * 1024 * 1024  # an API server accepts 3 MiB, without white space


def read_json(text: str | None, flag: str) -> Any:
    """Return the value of a flag that takes JSON; None if the flag is not given.

    Raises:
        BadParameter: the text is not JSON, and the message points at the place and says how to
            quote it. Or the file that it names cannot be read.
    """
    if text is None:
        return None
    given = text
    try:
        if given.startswith("@"):
            given = _content(given[1:])
        return json.loads(given, parse_constant=_refuse)
    except OSError as error:
        raise typer.BadParameter(printable(str(error)), param_hint=flag) from error
    except RecursionError as error:
        raise typer.BadParameter("this is nested too deeply", param_hint=flag) from error
    except ValueError as error:
        hint = "" if text.startswith("@") else f"\n{_hint(text)}"
        raise typer.BadParameter(_explain(given, error) + hint, param_hint=flag) from error


def _content(path: str) -> str:
    """Read the text of a file or of standard input."""
    if path == "-":
        content = read_input(LARGEST_JSON_BYTES + 1)
    else:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_JSON_BYTES + 1)
    if len(content) > LARGEST_JSON_BYTES:
        raise ValueError(f"it has more than {LARGEST_JSON_BYTES // 2**20} MiB")
    return _decoded(content)


def _decoded(content: bytes) -> str:
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding)
    return content.decode("utf-8")


MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16: it begins with the mark of that
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks and their encodings. PowerShell writes them at the beginning of files."""


def _refuse(word: str) -> None:
    raise ValueError(f"JSON has no {word}")


def _explain(text: str, error: ValueError) -> str:
    """Return the text around the mistake with a mark under its place."""
    if not isinstance(error, json.JSONDecodeError):
        return f"this is not JSON: {printable(str(error))}"
    from rich.cells import cell_len

    before = text[: error.pos].rpartition("\n")[2][-QUOTED_PART_CHARS:]
    after = text[error.pos :].partition("\n")[0][:QUOTED_PART_CHARS]
    before, after = printable(before), printable(after)
    return f"this is not JSON:\n{before}{after}\n{' ' * cell_len(before)}^ {error.msg}"


def _hint(text: str) -> str:
    if text.lstrip()[:1] in {"{", "["}:
        return """Put it in single quotes, so that the shell keeps the double ones: '{"key": 1}'"""
    quoted = shlex.quote(json.dumps(text)) if len(text) <= QUOTED_PART_CHARS else """'"text"'"""
    return f"Text needs double quotes inside single ones: {quoted}"
