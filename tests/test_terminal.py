import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grctl.terminal import CONTROLS, json_escaped, printable, printable_lines


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
def test_no_terminal_obeys_a_printed_text(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable_lines(text) == shown


def test_a_text_of_several_lines_becomes_one_or_stays_several() -> None:
    assert printable("a\nb") == "a b"
    assert printable_lines("a\nb\x1bc", indent="  ") == "a\n  b\\x1bc"


ORDERS = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1bP1$r\x1b\\",
    "\x9b2J",
    "\x9d0;t\x9c",
    "\x08\x08",
    "\r",
    "\x0e",
    "\x7f",
    "\x85",
    "\u2028",
    "\u202ecod.exe",
    "\u2066a\u2069",
    "\u200f",
    "\ufeff",
    "\ud800",
]


@pytest.mark.parametrize("text", ORDERS, ids=ascii)
def test_a_control_character_is_shown_as_its_code(text: str) -> None:
    assert not CONTROLS.search(printable(text))
    assert "\\" in printable(text)


@pytest.mark.parametrize(
    "text", ["審査 👍🏽 é naïve", "👩‍👩‍👧", "می‌خواهم", "e\u0301", "שלום", "🏴\U000e0067\U000e007f"]
)
def test_the_text_of_people_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_a_printed_text_is_one_line_however_often_it_is_printed(text: str) -> None:
    once = printable(text)
    assert printable(once) == once
    assert len(once.splitlines()) <= 1


@given(st.text())
def test_only_line_breaks_of_the_text_break_lines(text: str) -> None:
    lines = printable_lines(text).split("\n")
    assert len(lines) == text.count("\n") + 1
    assert all(len(line.splitlines()) <= 1 for line in lines)


@given(st.text(st.characters(exclude_categories=[])))
def test_escaped_json_has_the_same_value(text: str) -> None:
    written = json_escaped(json.dumps({text: text}, ensure_ascii=False, indent=2))
    assert json.loads(written) == {text: text}
    assert not CONTROLS.search(written.replace("\n", ""))
