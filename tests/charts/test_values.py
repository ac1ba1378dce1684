"""What can be set: a mistake in a value is an error that names it, before anything is installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.charts.rendering import OPERATOR, WORKER, WORKER_VALUES, Json, merged, objects


def refusal(chart: Path, values: Json) -> str:
    complete = merged(WORKER_VALUES, values) if chart == WORKER else values
    with pytest.raises(helm_python.HelmValuesError) as caught:
        objects(chart, complete)
    return str(caught.value)


@pytest.mark.parametrize(
    ("chart", "values", "named"),
    [
        (OPERATOR, {"replica": 3}, "'replica'"),
        (OPERATOR, {"image": {"tagg": "1"}}, "'tagg'"),
        (OPERATOR, {"tls": {"source": "certmanager"}}, "/tls/source"),
        (OPERATOR, {"tls": {"source": "certManager"}}, "'name'"),
        (OPERATOR, {"tls": {"source": "secret"}}, "/tls/secretName"),
        (OPERATOR, {"replicas": 0}, "/replicas"),
        (OPERATOR, {"namespaces": "blue"}, "/namespaces"),
        (OPERATOR, {"namespaces": ["Blue"]}, "/namespaces/0"),
        (OPERATOR, {"resources": {"limit": {}}}, "'limit'"),
        (OPERATOR, {"extraEnv": [{"name": "A", "vale": "b"}]}, "'vale'"),
        (OPERATOR, {"serviceMonitor": {"interval": "often"}}, "/serviceMonitor/interval"),
        (WORKER, {"workflow": ["orders:order"]}, "'workflow'"),
        (WORKER, {"workflows": ["orders.py"]}, "/workflows/0"),
        (WORKER, {"types": []}, "/types"),
        (WORKER, {"image": {"tag": ""}}, "/image/tag"),
        (WORKER, {"operator": {"url": "grctl:8700"}}, "/operator/url"),
        (WORKER, {"operator": {"ca": {"copyFrom": "only-a-name"}}}, "/operator/ca/copyFrom"),
        (WORKER, {"autoscaling": {"enable": True}}, "'enable'"),
        (WORKER, {"capacity": "many"}, "/capacity"),
    ],
)
def test_a_mistake_is_refused_by_its_name(chart: Path, values: Json, named: str) -> None:
    assert named in refusal(chart, values)


@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_the_schema_knows_exactly_the_values_that_there_are(chart: Path) -> None:
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))

    assert sorted(settable(schema)) == sorted(written(values, schema))


def settable(schema: Json, prefix: str = "") -> Iterator[str]:
    """Give the path of each value that the schema names; `global` is Helm's own."""
    for name, inner in schema["properties"].items():
        if "properties" in inner and name not in {"resources", "issuerRef"}:
            assert inner["additionalProperties"] is False, f"{prefix}{name} takes any name"
            yield from settable(inner, f"{prefix}{name}.")
        elif name != "global":
            yield f"{prefix}{name}"


def written(values: Any, schema: Json, prefix: str = "") -> Iterator[str]:
    """Give the path of each value in values.yaml, as deep as the schema looks."""
    for name, inner in values.items():
        deeper = schema["properties"].get(name, {})
        if "properties" in deeper and name not in {"resources", "issuerRef"}:
            yield from written(inner, deeper, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
