"""Write the files that are made from code, or say which of them differ: `--check`."""

import argparse
import ast
import sys
from itertools import pairwise
from pathlib import Path

import yaml

from grctl.models import reasons
from grctl.models.crds import all_crds

ROOT = Path(__file__).parent.parent
REASONS_HEAD = """<!-- Generated from sdk/grctl/models/reasons.py by `make fix`. Do not edit. -->
# Reasons

A reason is one word in a status, a condition or a core Event. It never changes its meaning; the
message beside it is for people and may.
"""
HEADER = "# Generated from the models in sdk/grctl/models by `make fix`. Do not edit.\n"


def generated_files() -> dict[Path, str]:
    """Give path and content of every generated file."""
    files = {
        ROOT / "crds" / f"{crd['spec']['names']['plural']}.yaml": HEADER
        + yaml.safe_dump(crd, sort_keys=False, width=100)
        for crd in all_crds()
    }
    files[ROOT / "docs" / "reference" / "reasons.md"] = reasons_page()
    return files


def reasons_page() -> str:
    """Make the page of all reasons from the constants and their docstrings."""
    source = Path(reasons.__file__).read_text(encoding="utf-8")
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return REASONS_HEAD + "".join(reasons_table(node) for node in classes)


def reasons_table(node: ast.ClassDef) -> str:
    """Make the table of one enumeration: a row for each constant and the text below it."""
    lines = [
        f"\n## {(ast.get_docstring(node) or node.name).rstrip('.')}\n",
        "| Reason | What it means, what to do |",
        "|---|---|",
    ]
    for constant, text in pairwise(node.body):
        match constant, text:
            case ast.Assign(value=ast.Constant(value=name)), ast.Expr(
                value=ast.Constant(value=said)
            ):
                lines.append(f"| `{name}` | {' '.join(str(said).split())} |")
    return "\n".join(lines) + "\n"


def differing(files: dict[Path, str]) -> list[Path]:
    """Give the paths whose content is not what the code makes."""
    return [
        path
        for path, content in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]


def main() -> int:
    """Write, or check with `--check`; exit status 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what differs")
    check = parser.parse_args().check
    files = generated_files()
    paths = differing(files)
    for path in paths:
        print(f"{path.relative_to(ROOT)} {'differs: run `make fix`' if check else 'written'}")
        if not check:
            path.write_text(files[path], encoding="utf-8")
    return 1 if check and paths else 0


if __name__ == "__main__":
    sys.exit(main())
