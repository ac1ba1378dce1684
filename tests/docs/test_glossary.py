"""The glossary has each word once, in order, and names a file that exists for it."""

import re
from itertools import pairwise

from tests.docs.pages import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
ROW = re.compile(r"^\| (?P<word>[^|]+) \| (?P<meaning>[^|]+) \| \[[^]]+\]\((?P<file>[^)]+)\) \|$")


def rows() -> list[re.Match[str]]:
    """Return the rows of the first table."""
    words, _, _ = GLOSSARY.read_text(encoding="utf-8").partition("\n## ")
    lines = [line for line in words.splitlines() if line.startswith("| ")][1:]
    found = [ROW.match(line) for line in lines]
    wrong = [line for line, row in zip(lines, found, strict=True) if row is None]
    assert wrong == []
    return [row for row in found if row]


def test_each_word_stands_once_and_in_order() -> None:
    words = [row["word"].casefold() for row in rows()]
    assert len(words) > 50
    assert [(one, next_one) for one, next_one in pairwise(words) if one >= next_one] == []


def test_each_word_has_one_sentence_and_a_file_that_exists() -> None:
    for row in rows():
        assert row["meaning"].endswith((".", "...")), row["word"]
        assert ". " not in row["meaning"], row["word"]
        assert (GLOSSARY.parent / row["file"]).is_file(), row["word"]
