import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Grctl, set_status


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_a_description_can_be_read_by_programs(
    grctl: Grctl, kubeconfig: Path, output: str, read: Any
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    grctl("send", "order-1", "approve", "--name", "once")
    set_status(kubeconfig, "order-1", {"phase": "Completed", "result": ["é", 1]})
    described = read(grctl("describe", "order-1", "-o", output).output)
    assert (described["phase"], described["result"]) == ("Completed", ["é", 1])
    (waiting,) = described["waitingEvents"]
    assert (waiting["name"], waiting["eventName"], waiting["phase"]) == (
        "once",
        "approve",
        "Pending",
    )
    assert described["recentEvents"] == described["history"] == []


@pytest.mark.usefixtures("kubeconfig")
def test_a_description_can_be_read_by_people(grctl: Grctl) -> None:
    grctl("start", "ProcessOrder", "order-1")
    assert "Phase      Pending" in grctl("describe", "order-1").output


@pytest.mark.usefixtures("kubeconfig")
def test_describing_a_missing_run_is_an_error(grctl: Grctl) -> None:
    done = grctl("describe", "order-1")
    assert done.exit_code == 1
    assert done.stderr.startswith("grctl: There is no run of 'order-1' in namespace 'default'")


@pytest.mark.usefixtures("kubeconfig")
def test_the_error_of_a_missing_run_counts_the_waiting_events(grctl: Grctl) -> None:
    for _ in range(2):
        grctl("send", "order-1", "approve")
    assert "Events that wait for it: 2. Start it by" in grctl("describe", "order-1").stderr
