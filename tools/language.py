"""Check the language and the names of the sources: `python tools/language.py [PATH ...]`.

1. A function's docstring begins with a plain verb, as in PEP 257: not with Give, Say, Have or Let.
2. A noun is negated with "not": "X is not a number".
3. No two classes and no two constants of the shipped packages have one name.
4. A constant that is a number says what it counts and in which unit: `WRITE_BATCH_WINDOW_S`.
5. An invariant is called by its number and its name as in docs/architecture.md: `I4 (one commit)`.

Checks 1, 2 and 5 hold for the paths that are given, or for all of `PATHS`; checks 3 and 4 for the
shipped packages among them. Prints one line for each finding; the exit code is 1 if there is one.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = ("sdk", "operator")
PROSE = ("docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PATHS = (*SHIPPED, *PROSE, "tests", "e2e", "benchmarks", "tools", "examples", "charts")

NOT_BEGINNINGS = frozenset({"Give", "Gives", "Say", "Says", "Have", "Let"})
IS_NO = re.compile(r"(?<!there )(?<!there\n)\bis no (?!more\b|longer\b)", re.IGNORECASE)
UNITS = re.compile(
    r"_(S|MS|US|NS|MINUTES|HOURS|DAYS|BYTES|KIB|MIB|CHARS|LINES|LEVELS|COLUMNS|COUNT|RATIO|SHARE"
    r"|PERCENT|FACTOR|PORT|VERSION|CODE|STATUS|SIZE|ID|LIMIT|LENGTH|DEPTH|PER_[A-Z]+)$|^(MAX|MIN)_\w+_\w+"
)

INVARIANTS = "docs/architecture.md"
INVARIANT = re.compile(r"\bI(\d+) \(([^)]*)\)")

Finding = tuple[Path, int, str]
Definitions = dict[str, list[tuple[Path, int]]]


def language(path: Path) -> Iterator[Finding]:
    """Return the findings of checks 1, 2 and 5 in one file."""
    text = path.read_text()
    for found in IS_NO.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield path, line, f'"{found[0]}..." is "is not a ..." in plain English'
    yield from _invariants(path, text)
    if path.suffix == ".py":
        yield from _docstrings(path, ast.parse(text))


def invariant_names() -> dict[str, str]:
    """Return the name of each invariant, by its number."""
    return dict(re.findall(r"\*\*I(\d+) \(([^)]*)\)\.\*\*", (ROOT / INVARIANTS).read_text()))


def _invariants(path: Path, text: str) -> Iterator[Finding]:
    for found in INVARIANT.finditer(text):
        number, name = found.groups()
        right = invariant_names().get(number)
        if " ".join(name.replace("#", " ").split()) != right:
            line = text.count("\n", 0, found.start()) + 1
            wanted = f"I{number} ({right})" if right else "not an invariant"
            yield path, line, f'"{found[0]}" is {wanted} in {INVARIANTS}'


def _docstrings(path: Path, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            word = ((ast.get_docstring(node) or "").split() or [""])[0]
            if word in NOT_BEGINNINGS:
                yield path, node.lineno, f'{node.name}: begin with a plain verb, not "{word}"'


def names(paths: Iterable[Path]) -> Iterator[Finding]:
    """Return the findings of checks 3 and 4 in the files of the shipped packages."""
    classes: Definitions = defaultdict(list)
    constants: Definitions = defaultdict(list)
    for path in paths:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append((path, node.lineno))
            elif (name := _constant(node)) and not _is_type_variable(node):
                constants[name].append((path, node.lineno))
                if _is_number(node) and not UNITS.search(name):
                    yield path, node.lineno, f"{name}: say what it counts and in which unit"
    yield from _doubles(classes)
    yield from _doubles(constants)


def _constant(node: ast.stmt) -> str | None:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    name = targets[0].id if isinstance(targets[0], ast.Name) else ""
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else None


def _is_type_variable(node: ast.stmt) -> bool:
    made_by = getattr(getattr(node, "value", None), "func", None)
    return isinstance(made_by, ast.Name) and made_by.id in {"TypeVar", "ParamSpec"}


def _is_number(node: ast.stmt) -> bool:
    value = getattr(node, "value", None)
    while isinstance(value, ast.BinOp):
        value = value.left
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def _doubles(found: Definitions) -> Iterator[Finding]:
    for name, places in found.items():
        for path, line in places[1:]:
            first = places[0][0].relative_to(ROOT)
            yield path, line, f"{name}: {first} defines one of that name too"


def _files(paths: Iterable[str], suffixes: tuple[str, ...]) -> Iterator[Path]:
    for each in paths:
        top = ROOT / each
        files = [top] if top.is_file() else sorted(top.rglob("*"))
        yield from (path for path in files if path.suffix in suffixes)


def main(paths: list[str]) -> int:
    """Print all findings. Return the exit code."""
    given = paths or list(PATHS)
    findings = [each for path in _files(given, (".py", ".md")) for each in language(path)]
    sources = [
        path for path in _files(given, (".py",)) if path.relative_to(ROOT).parts[0] in SHIPPED
    ]
    findings += names(sources)
    for path, line, message in sorted(findings):
        print(f"{path.relative_to(ROOT)}:{line}: {message}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
