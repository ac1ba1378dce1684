"""The files of the Helm charts that are made from others: CRD templates, and the tables of values.

1. A CRD is a template, not a file of `crds/`: Helm installs those and never changes them.
2. A comment that begins with `# --` documents the value below it. A value without one is an error.
   A mapping with one is a single row: its fields are the user's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from grctl.models.crds import all_crds

HEADER = "{{- /* Generated from the models in sdk/grctl/models by `make fix`. Do not edit. */ -}}\n"
BEGIN, END = "<!-- values: made by `make fix` -->\n", "<!-- end of values -->\n"
MARK = "# -- "

Row = tuple[str, str, str]
"""A value's path, its default, and what it is."""


def chart_files(charts: Path) -> dict[Path, str]:
    """Return path and content of every generated file below `charts`."""
    templates = charts / "grctl" / "templates"
    files = {
        templates / f"crd-{crd['spec']['names']['plural']}.yaml": crd_template(crd)
        for crd in all_crds()
    }
    for readme in sorted(charts.glob("*/README.md")):
        files[readme] = readme_with_values(readme)
    return files


def crd_template(crd: dict[str, Any]) -> str:
    """Make the template of a CRD that an upgrade changes and an uninstall keeps."""
    metadata = {**crd["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}
    text = yaml.safe_dump({**crd, "metadata": metadata}, sort_keys=False, width=100)
    if "{{" in text:
        raise ValueError(f"{metadata['name']}: Helm would read the {{{{ in its text")
    return f"{HEADER}{{{{- if .Values.crds.install }}}}\n{text}{{{{- end }}}}\n"


def readme_with_values(readme: Path) -> str:
    """Put the table of a chart's values between the marks in its README."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = value_rows((readme.parent / "values.yaml").read_text(encoding="utf-8"))
    table = [f"| `{path}` | `{default}` | {text} |" for path, default, text in rows]
    head = ["| Value | Default | What it is |", "|---|---|---|"]
    return f"{before}{BEGIN}\n" + "\n".join([*head, *table]) + f"\n\n{END}{after}"


def value_rows(text: str) -> list[Row]:
    """Return a row for each documented value, in the order of the file.

    Raises:
        ValueError: a value has no comment.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("values.yaml holds no mapping")  # noqa: TRY004  of content, not of type
    return list(_rows(root, text.splitlines(), ""))


def _rows(mapping: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Row]:
    for key, value in mapping.value:
        path = f"{prefix}{key.value}"
        said = _comment_above(lines, key.start_mark.line)
        if said:
            yield path, _default(value), said
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from _rows(value, lines, f"{path}.")
        else:
            raise ValueError(f"values.yaml: {path} has no comment that begins with {MARK!r}")


def _comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip())
        if found[0].startswith(MARK):
            return " ".join(each.removeprefix(MARK).removeprefix("# ") for each in found)
    return ""


def _default(value: yaml.Node) -> str:
    loader = yaml.SafeLoader("")
    return json.dumps(loader.construct_object(value, deep=True))
