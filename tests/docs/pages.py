"""A page of documentation as a story that can be run: its blocks, in order.

1. `python` without a top-level await only defines; all definitions run before everything else.
2. `python` with a top-level await acts, as in `python -m asyncio`; a `text` block after it is its
   output.
3. `yaml` is a file, named by a comment in its first line; the API server must accept it.
4. `console` has commands after `$ `, and their output.
5. `<!-- later: 25h -->` moves the API server's clock; `<!-- not run: why -->` excludes the next
   block.
6. Of ages, moments and random names only the form is compared; `...` stands for anything.
"""

import ast
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$|^<!-- (?P<order>later|not run): (?P<what>.*?) -->$",
    re.MULTILINE | re.DOTALL,
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
VOLATILE = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z| UTC)?"), "MOMENT"),
    (re.compile(r"\b(\d+[dhms]){1,2}\b"), "AGE"),
    (re.compile(r"-[a-km-z2-79]{13}\b"), "-RANDOM"),
)


@dataclass(frozen=True)
class Block:
    """One block of a page, and its place there."""

    kind: str
    """A language of notes 1 to 4, or `later`."""
    text: str
    place: str

    @property
    def defines(self) -> bool:
        """Whether it is Python that can be run before there is a loop."""
        return self.kind == "python" and not _awaits(ast.parse(self.text))


def blocks_of(page: Path, section: str = "") -> Iterator[Block]:
    """Yield the blocks of a page that are run, or those under one of its headings."""
    written, excepted = page.read_text(encoding="utf-8"), False
    first = written.index(section)
    last = written.find("\n## ", first + 1) if section else len(written)
    for found in BLOCK.finditer(written, first, last):
        place = f"{page.name}:{written[: found.start()].count(chr(10)) + 1}"
        if found["order"] == "later":
            yield Block("later", found["what"], place)
        elif found["order"]:
            excepted = True
        elif excepted:
            excepted = False
        else:
            yield Block(found["language"], found["text"], place)


def commands_of(console: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, and the output that the page shows."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        end = next(n for n, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        yield "".join(lines[:end]).rstrip("\n"), "".join(lines[end:])


def says(told: str, printed: str) -> bool:
    """Whether a command printed what the page shows."""
    return doctest.OutputChecker().check_output(_stable(told), _stable(printed), FLAGS)


def _stable(text: str) -> str:
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text


def _awaits(tree: ast.AST) -> bool:
    """Whether there is an await outside of functions."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Await | ast.AsyncWith | ast.AsyncFor):
            return True
        if not isinstance(child, ast.AsyncFunctionDef | ast.FunctionDef) and _awaits(child):
            return True
    return False
