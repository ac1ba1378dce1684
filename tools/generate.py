"""Write the files that are made from code, or list those that differ: `--check`."""

import argparse
import ast
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import yaml
from prometheus_client.metrics_core import Metric

from chart_files import chart_files
from cli_page import cli_page
from grctl.models import reasons
from grctl.models.crds import all_crds
from grctl.models.phases import FINISHED
from grctl_operator.engine.rules import (
    ADDING_RULES,
    CLOSING_RULES,
    LAST_RULES,
    Adding,
    Closing,
    Fact,
)
from grctl_operator.engine.transitions import TRANSITIONS
from grctl_operator.runtime.people.metrics import Metrics

ROOT = Path(__file__).parent.parent
PHASES_HEAD = """<!-- Generated from the engine's transitions.py by `make fix`. Do not edit. -->
# Phases of a run

A run is Pending until its start handler is with a worker, Running while a handler runs or is due,
and WaitEvent while it waits for an event. An event leaves Pending once: for Processed, Failed or
Rejected.
"""
REASONS_HEAD = """<!-- Generated from sdk/grctl/models/reasons.py by `make fix`. Do not edit. -->
# Reasons

A reason is one word in a status, a condition or a core Event. It never changes its meaning; the
message beside it may change.
"""
RULES_HEAD = """<!-- Generated from the engine's rules.py by `make fix`. Do not edit. -->
# Rules

`decide` (`operator/grctl_operator/engine/decide.py`) applies these rules to one run. First each
rule that adds; then the closing rules in order, until one closes the matter: it is decided anew
once the write is made. If none closes it, the last two rules hand over what is due. A rule
applies only if all that it needs is true of the run.
"""
METRICS_HEAD = """<!-- Generated from the operator's metrics.py by `make fix`. Do not edit. -->
# Metrics of the operator

At `/metrics` of `grctl operator --http-port`, in the formats of Prometheus and OpenMetrics. Every
series exists at 0 from the start, and no label holds a name that users chose. The usual
`process_*` of Python processes are there too. [Operations](../guide/operations.md) has alerts.
"""
HEADER = "# Generated from the models in sdk/grctl/models by `make fix`. Do not edit.\n"


def generated_files() -> dict[Path, str]:
    """Return path and content of every generated file."""
    files = {
        ROOT / "crds" / f"{crd['spec']['names']['plural']}.yaml": HEADER
        + yaml.safe_dump(crd, sort_keys=False, width=100)
        for crd in all_crds()
    }
    files[ROOT / "docs" / "reference" / "reasons.md"] = reasons_page()
    files[ROOT / "docs" / "reference" / "cli.md"] = cli_page()
    files[ROOT / "docs" / "reference" / "phases.md"] = phases_page()
    files[ROOT / "docs" / "reference" / "metrics.md"] = metrics_page()
    files[ROOT / "docs" / "reference" / "rules.md"] = rules_page()
    return files | chart_files(ROOT / "charts")


def phases_page() -> str:
    """Draw the phases of a run from the engine's table."""
    arrows = [
        f"  {before.value} --> {after.value}"
        for before, followers in TRANSITIONS.items()
        for after in sorted(followers)
    ]
    ends = [f"  {phase.value} --> [*]" for phase in sorted(FINISHED)]
    drawing = "\n".join(["stateDiagram-v2", "  [*] --> Pending", *arrows, *ends])
    return f"{PHASES_HEAD}\n```mermaid\n{drawing}\n```\n"


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
            case (
                ast.Assign(value=ast.Constant(value=str(name))),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                lines.append(f"| `{name}` | {' '.join(said.split())} |")
    return "\n".join(lines) + "\n"


def rules_page() -> str:
    """Draw the tables of the engine's rules."""
    tables: dict[str, Sequence[Adding | Closing]] = {
        "Rules that add": ADDING_RULES,
        "Rules that close the matter": CLOSING_RULES,
        "Rules that add if nothing closed the matter": LAST_RULES,
    }
    return RULES_HEAD + "".join(rules_table(title, rows) for title, rows in tables.items())


def rules_table(title: str, rows: Sequence[Adding | Closing]) -> str:
    """Make one table: a row for each rule, with what it does and what it needs."""
    lines = [f"\n## {title}\n", "| Rule | What it does | What it needs |", "|---|---|---|"]
    for rule, needs in rows:
        file = rule.__module__.rpartition(".")[2]
        does = (rule.__doc__ or "").partition("\n")[0]
        needed = "; ".join(fact for fact in Fact if fact in needs) or "nothing"
        lines.append(f"| `{file}.{rule.__name__}` | {does} | {needed} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Make the page of all metrics from the series that an operator has at its start."""
    families = sorted(Metrics().registry.collect(), key=lambda family: family.name)
    ours = [family for family in families if family.name.startswith("grctl_")]
    return METRICS_HEAD + "".join(map(metric_section, ours))


def metric_section(family: Metric) -> str:
    """Describe one metric: name, kind, text, and the values of its labels."""
    total = "_total" if family.type == "counter" else ""
    lines = [
        f"\n## `{family.name}{total}`\n",
        f"{family.type.capitalize()}. {family.documentation}",
    ]
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            if label != "le":
                values.setdefault(label, {})[value] = None
    if values:
        lines += ["", "| Label | Values |", "|---|---|"]
        lines += [f"| `{label}` | {_listed(found)} |" for label, found in values.items()]
    return "\n".join(lines) + "\n"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def differing(files: dict[Path, str]) -> list[Path]:
    """Return the paths whose content is not what the code makes."""
    return [
        path
        for path, content in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]


def main() -> int:
    """Write the files, or check them with `--check`. Return 1 if one differs then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only list the files that differ")
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
