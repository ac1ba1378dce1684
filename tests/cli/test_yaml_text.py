"""YAML that readers of versions 1.1 and 1.2 understand alike."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grctl.cli.yaml_text import as_yaml
from grctl.terminal import CONTROLS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LOOKALIKES = st.from_regex(r"[-+.~]?[0-9_.:eExXoObB<=*&!%@`yYnNtT#?,\[\]{} -]{1,9}", fullmatch=True)
LINES = st.lists(st.text("ab #:-\t\n'\"|>", max_size=9)).map("\n".join)
JSON = st.recursive(
    SCALARS | TEXTS | LOOKALIKES | LINES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS | LOOKALIKES, inner, max_size=3)
    ),
    max_leaves=8,
)

LOOKALIKE_TEXTS = [
    # YAML 1.1: booleans, nothing, octal, binary, sexagesimal, merges
    *("y", "Y", "n", "yes", "No", "on", "OFF", "true", "~", "null", "Null", "0o7", "017", "0b1"),
    *("1_000", "0x1F", "1:30", "-1:30:00", "1:30.5", "=", "<<"),
    # numbers and times to some readers
    *("1", "-1", "+1", "1.", ".5", "1e3", "1E3", "6.02e+23", ".inf", "-.INF", ".nan", "NaN", "inf"),
    *("2001-12-14", "2001-12-14t21:59:43.10-05:00", "12:30", "0123", "00", "1_0", "_1", "0.0.0"),
    # characters with a meaning in YAML
    *(
        "",
        " ",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#",
        "? a",
        ": a",
        "---",
        "...",
        "[",
        "]",
        "{",
        "}",
        ",",
    ),
    *("&a", "*a", "!a", "|", ">", "'", '"', "%a", "@a", "`a", "a:", " a", "a ", "\\"),
]
CONTROL_TEXTS = [
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "\ufeffa",
    "a\ufeffb",
    "a\x00b",
    "a\x1b[2J",
    "a\x7fb",
    "a\x9bb",
]
CONTROL_TEXTS += ["a\rb", "a\r\nb", "a\tb", "\ta", "a\u202eb", "a\u200eb"]

UNQUOTED = re.compile(r"- (?![\"'|])")


@pytest.mark.parametrize("text", LOOKALIKE_TEXTS + CONTROL_TEXTS, ids=ascii)
def test_a_string_that_could_be_read_as_another_type_is_quoted(text: str) -> None:
    written = as_yaml([text])
    assert not UNQUOTED.match(written)
    assert yaml.safe_load(f"{written}\n") == [text]


@pytest.mark.parametrize("text", CONTROL_TEXTS, ids=ascii)
def test_characters_that_end_lines_or_control_a_terminal_are_escaped(text: str) -> None:
    assert not CONTROLS.search(as_yaml({text: text}).replace("\n", ""))


@pytest.mark.parametrize(
    "text", ["order-1", "Waits for an event: approve.", "é 審査", "it's", "a, b", "a\\b"]
)
def test_ordinary_text_stays_legible(text: str) -> None:
    assert as_yaml([text]) in {f"- {text}", f"- '{text}'".replace("it's", "it''s")}


def test_a_stack_trace_keeps_its_lines() -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no\n'
    assert as_yaml({"trace": trace}) == "trace: |\n" + "".join(
        f"  {line}\n" for line in trace.splitlines()
    ).removesuffix("\n")


@given(JSON)
def test_any_json_is_read_back_unchanged(value: Any) -> None:
    for unicode in (True, False):
        written = as_yaml({"value": value}, unicode=unicode)
        assert yaml.safe_load(f"{written}\n") == {"value": value}
        assert unicode or written.isascii()


@given(TEXTS | LOOKALIKES | LINES)
def test_a_reader_without_types_reads_the_same_string(text: str) -> None:
    sequence = yaml.compose(as_yaml([text]) + "\n", Loader=yaml.SafeLoader)
    assert sequence is not None
    node = sequence.value[0]
    assert node.value == text
    assert node.style in {'"', "'", "|"} or text[0].isalpha()


def test_yaml_has_no_anchors() -> None:
    shared = ["a"]
    assert as_yaml([shared, shared]) == "- - a\n- - a"
