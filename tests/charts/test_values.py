"""The values: a mistake is an error that names the value, before anything is installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.charts.rendering import (
    OPERATOR,
    WORKER,
    WORKER_VALUES,
    Json,
    merged,
    objects,
    one,
    templates,
)


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
        (WORKER, {"image": {"tag": 1.5}}, "/image/tag"),
        (OPERATOR, {"image": {"tag": 1.5}}, "/image/tag"),
        (OPERATOR, {"image": {"tag": True}}, "/image/tag"),
        (OPERATOR, {"image": {"tag": ["1"]}}, "/image/tag"),
    ],
)
def test_a_mistake_is_refused_with_the_name_of_the_value(
    chart: Path, values: Json, named: str
) -> None:
    assert named in refusal(chart, values)


@pytest.mark.parametrize("tag", ["1", "1000000", "20261128", "0"])
@pytest.mark.parametrize("written", ["--set image.tag={}", "image: {{tag: {}}}"])
@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_a_tag_may_be_a_number(chart: Path, written: str, tag: str) -> None:
    text = written.format(tag)
    given = (
        helm_python.parse_set_string(text.removeprefix("--set "))
        if text.startswith("--set")
        else helm_python.values_from_yaml(text)
    )
    found = objects(chart, merged(WORKER_VALUES, given) if chart == WORKER else given)

    (container,) = one(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"].rpartition(":")[2] == tag


@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_a_large_number_is_not_rendered_with_an_exponent(chart: Path) -> None:
    """Helm reads each number of a file of values as a float."""
    base = WORKER_VALUES if chart == WORKER else {}
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    paths = list(integer_paths(schema))
    assert paths
    for path in paths:
        value: Json = {"tls": {"source": "none"}} if chart == OPERATOR else {}
        if path[0] == "autoscaling":
            value = {"autoscaling": {"enabled": True}}
        given: Any = 1_000_000
        for name in reversed(path):
            given = {name: given}
        text = "".join(templates(chart, merged(merged(base, value), given)).values())
        assert "1000000" in text, path
        assert "e+0" not in text, path


@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_the_schema_and_the_values_have_the_same_names(chart: Path) -> None:
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))

    assert sorted(schema_paths(schema)) == sorted(value_paths(values, schema))


def schema_paths(schema: Json, prefix: str = "") -> Iterator[str]:
    """Yield the path of each value that the schema names. `global` belongs to Helm."""
    for name, inner in schema["properties"].items():
        if "properties" in inner and name not in {"resources", "issuerRef"}:
            assert inner["additionalProperties"] is False, f"{prefix}{name} takes any name"
            yield from schema_paths(inner, f"{prefix}{name}.")
        elif name != "global":
            yield f"{prefix}{name}"


def integer_paths(schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each value that is an integer without an upper bound."""
    for name, inner in schema["properties"].items():
        if inner.get("type") == "integer" and "maximum" not in inner:
            yield (*path, name)
        elif "properties" in inner:
            yield from integer_paths(inner, (*path, name))


def value_paths(values: Any, schema: Json, prefix: str = "") -> Iterator[str]:
    """Yield the path of each value in values.yaml, as deep as the schema describes them."""
    for name, inner in values.items():
        deeper = schema["properties"].get(name, {})
        if "properties" in deeper and name not in {"resources", "issuerRef"}:
            yield from value_paths(inner, deeper, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
