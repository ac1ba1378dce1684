import io

import pytest

from grctl.cli.lines import Lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_prefixes_are_aligned() -> None:
    stream = io.StringIO()
    lines = Lines(("local", "operator"), stream)
    lines.show("local", "ready")
    lines.show("operator", "")
    assert stream.getvalue() == "local    | ready\noperator |\n"


def test_a_terminal_gets_colours_unless_it_asks_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        stream = Terminal()
        Lines(("local",), stream).show("local", "ready")
        written.append(stream.getvalue())
    assert written == ["\033[36mlocal |\033[0m ready\n", "local | ready\n"]
