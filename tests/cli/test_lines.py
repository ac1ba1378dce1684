import io
from pathlib import Path

import pytest

from grctl.cli.lines import Lines


class TerminalStream(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_all_prefixes_have_one_width() -> None:
    stream = io.StringIO()
    lines = Lines(("local", "operator"), stream)
    lines.show("local", "ready")
    lines.show("operator", "")
    assert stream.getvalue() == "local    | ready\noperator |\n"


def test_a_terminal_gets_colours_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        stream = TerminalStream()
        Lines(("local",), stream).show("local", "ready")
        written.append(stream.getvalue())
    assert written == ["\033[36mlocal |\033[0m ready\n", "local | ready\n"]


def test_a_line_stays_behind_its_prefix() -> None:
    stream = io.StringIO()
    Lines(("worker",), stream).show(
        "worker", "10%\r20%\x1b[2J\x1b]0;title\x07\tok \x1b[31mred\x1b[0m"
    )
    assert stream.getvalue() == "worker | 10%\\r20%\\x1b[2J\\x1b]0;title\\x07 ok red\n"


def test_colours_of_a_process_are_kept_and_end_with_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = TerminalStream()
    Lines(("worker",), stream).show("worker", "\x1b[1;31mred\x1b[2J")
    assert stream.getvalue().endswith(" \x1b[1;31mred\\x1b[2J\x1b[0m\n")


def test_characters_that_the_encoding_lacks_are_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    Lines(("worker",), stream).show("worker", "ok \u2713")
    assert stream.buffer.getvalue() == b"worker | ok \\u2713\n"


def test_a_full_disk_does_not_stop_the_processes() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        lines = Lines(("worker",), full)
        lines.show("worker", "ready")
        lines.show("worker", "still ready")


def test_a_closed_standard_output_does_not_stop_the_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    Lines(("worker",)).show("worker", "ready")
