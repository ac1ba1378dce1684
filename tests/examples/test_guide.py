"""The guide's code, block by block, is in the examples: `guide_blocks.txt` is a copy of it.

A blank line ends a block, and so does `...`, which stands for code. Whitespace is the formatter's;
imports stand at the top of an example, in its order; a comment for a checker may follow a line.
"""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parent.parent / "examples").glob("*.py"))
BLOCKS = (HERE / "guide_blocks.txt").read_text(encoding="utf-8").split("\n\n")
FOR_CHECKERS = re.compile(r"  # (type: ignore|noqa).*$")


def code_of(text: str) -> list[str]:
    lines = (FOR_CHECKERS.sub("", line).split() for line in text.splitlines())
    return [" ".join(words) for words in lines if words]


def is_import(line: str) -> bool:
    return line.startswith(("from ", "import "))


def holds(example: list[str], block: list[str]) -> bool:
    imports = [line for line in block if is_import(line)]
    rest = [line for line in block if not is_import(line)]
    places = range(len(example) - len(rest) + 1)
    return set(imports) <= set(example) and any(
        example[place : place + len(rest)] == rest for place in places
    )


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_an_example_holds_the_block_word_for_word(block: str) -> None:
    examples = {path.name: code_of(path.read_text(encoding="utf-8")) for path in EXAMPLES}
    assert [name for name, lines in examples.items() if holds(lines, code_of(block))]


def test_there_are_all_nine_blocks() -> None:
    assert len(BLOCKS) == 9
