"""The expressions for Flux: one of current, inProgress and failed is true for each object."""

from pathlib import Path
from typing import Any

import cel
import pytest
import yaml

FILE = Path(__file__).parent.parent.parent / "examples" / "gitops" / "flux" / "orders.yaml"

Json = dict[str, Any]

SPEC: Json = yaml.safe_load(FILE.read_text(encoding="utf-8"))["spec"]
EXPRESSIONS = {each["kind"]: each for each in SPEC["healthCheckExprs"]}


def states(obj: Json) -> list[str]:
    expressions = EXPRESSIONS[obj["kind"]]
    assert expressions["apiVersion"] == obj["apiVersion"]
    names = ("current", "inProgress", "failed")
    return [name for name in names if cel.compile(expressions[name]).execute(dict(obj))]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("pending", "inProgress"),
        ("waiting", "current"),
        ("completed", "current"),
        ("cancelled", "current"),
        ("terminated", "current"),
        ("failed", "failed"),
        ("held", "failed"),
        ("pending event", "current"),
        ("processed event", "current"),
        ("rejected event", "failed"),
    ],
)
def test_every_object_is_in_one_state(found: dict[str, Json], name: str, state: str) -> None:
    assert states(found[name]) == [state]


def test_a_changed_run_is_in_progress_until_it_is_seen(found: dict[str, Json]) -> None:
    run = found["completed"]
    metadata = {**run["metadata"], "generation": run["metadata"]["generation"] + 1}

    assert states({**run, "metadata": metadata}) == ["inProgress"]


def test_a_held_run_that_is_retried_is_in_progress_until_that_is_seen(
    found: dict[str, Json],
) -> None:
    run = found["held"]
    metadata = {**run["metadata"], "generation": run["metadata"]["generation"] + 1}

    assert states({**run, "metadata": metadata}) == ["inProgress"]


def test_a_run_in_its_first_answer_is_in_progress(found: dict[str, Json]) -> None:
    status = {"phase": "Pending", "observedGeneration": 0}

    assert states({**found["pending"], "status": status}) == ["inProgress"]
