"""The check of language and names finds each breach, and accepts plain English."""

from pathlib import Path

import pytest

import language

IS_NO = "is " + "no"
"""In two parts: the check reads this file too."""


def found(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, name: str = "a.py"
) -> list[str]:
    monkeypatch.setattr(language, "ROOT", tmp_path)
    path = tmp_path / name
    path.write_text(text)
    findings = list(language.language(path))
    if path.suffix == ".py":
        findings += language.names([path])
    return [message for _path, _line, message in findings]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('def f():\n    """Give it."""\n', 'f: begin with a plain verb, not "Give"'),
        (f"# that {IS_NO} number\n", f'"{IS_NO} ..." is "is not a ..." in plain English'),
        ("AGE = 3.0\n", "AGE: say what it counts and in which unit"),
        ("class A: ...\nclass A: ...\n", "A: a.py defines one of that name too"),
    ],
)
def test_a_breach_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    assert found(tmp_path, text, monkeypatch) == [message]


@pytest.mark.parametrize(
    "text",
    [
        'def f():\n    """Return it."""\n',
        "# there is no number, it is no longer there\n",
        "WAIT_S = 2 * 1.5\nMAX_OPEN_FILES = 3\nNAME = 'a'\n",
        "T = TypeVar('T')\nT = TypeVar('T')\n",
        "class A: ...\nclass _A: ...\nx = 3\n",
    ],
)
def test_plain_english_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert found(tmp_path, text, monkeypatch) == []


def test_prose_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tmp_path, f"An event {IS_NO} order.\n", monkeypatch, "a.md") != []


@pytest.mark.parametrize(("number", "name"), [(1, "no losses"), (3, "no loss")])
def test_an_invariant_of_another_name_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / language.INVARIANTS).write_text("- **I1 (no loss).** An event is never lost.\n")

    assert found(tmp_path, f"# I{1} (no\n# loss)", monkeypatch) == []
    assert len(found(tmp_path, f"See I{number} ({name}).", monkeypatch, "a.md")) == 1
