import pytest

from grctl.terminal import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë → 日本", "Zoë → 日本"),
        ("clear \x1b[2J screen", r"clear \x1b[2J screen"),
        ("title \x1b]0;mine\x07", r"title \x1b]0;mine\x07"),
        ("a C1 escape \x9b31m", r"a C1 escape \x9b31m"),
        ("over\rwritten\b", r"over\rwritten\x08"),
        ("tab\tbed", "tab bed"),
        ("half \ud800", r"half \ud800"),
        ("turned \u202e round", r"turned \u202e round"),
        ("a line\u2028more", r"a line\u2028more"),
    ],
)
def test_no_terminal_obeys_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable_lines(text) == shown


def test_a_text_of_several_lines_becomes_one_or_stays_several() -> None:
    assert printable("a\nb") == "a b"
    assert printable_lines("a\nb\x1bc", indent="  ") == "a\n  b\\x1bc"
