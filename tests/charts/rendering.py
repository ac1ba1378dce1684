"""Renders the charts as Helm does. There is no cluster, so `lookup` finds nothing."""

from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parent.parent.parent
CHARTS = ROOT / "charts"
OPERATOR, WORKER = CHARTS / "grctl", CHARTS / "grctl-worker"

Json = dict[str, Any]

WORKER_VALUES: Json = {
    "image": {"repository": "registry.example.org/orders", "tag": "1.2"},
    "workflows": ["orders:order"],
    "types": ["ProcessOrder"],
    "operator": {"ca": {"pem": "-----BEGIN CERTIFICATE-----\n"}},
}
"""The required values of a worker."""


def merged(base: Json, change: Json) -> Json:
    """Return values with a change, merged as Helm merges several files of values."""
    both = {**base, **change}
    for key in base.keys() & change.keys():
        if isinstance(base[key], dict) and isinstance(change[key], dict):
            both[key] = merged(base[key], change[key])
    return both


def templates(chart: Path, values: Json, namespace: str = "grctl-system") -> dict[str, str]:
    """Return the text of each template that is not empty."""
    with helm_python.Chart.load(chart) as loaded:
        rendered = loaded.render(values, name="grctl", namespace=namespace)
    return {Path(name).name: text for name, text in rendered.items() if text.strip()}


def objects(chart: Path, values: Json | None = None) -> list[Json]:
    """Return every object that a chart creates."""
    texts = templates(chart, values or {})
    manifests = (text for name, text in texts.items() if name != "NOTES.txt")
    return [each for text in manifests for each in yaml.safe_load_all(text) if each]


def of_kind(found: list[Json], kind: str) -> list[Json]:
    """Return the objects of one kind."""
    return [each for each in found if each["kind"] == kind]


def one(found: list[Json], kind: str) -> Json:
    """Return the only object of a kind."""
    (only,) = of_kind(found, kind)
    return only


def environment(deployment: Json) -> dict[str, Any]:
    """Return the variables of a Deployment's container: the value, or its source."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}
