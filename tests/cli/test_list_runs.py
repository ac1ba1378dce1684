import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Grctl, set_status

HEAD = ["ID", "WORKFLOW", "PHASE", "STEP", "INBOX", "AGE", "MESSAGE"]


def ids(table: str) -> list[str]:
    return [line.split()[0] for line in table.splitlines()[1:]]


def test_runs_are_listed_by_id_with_what_they_wait_for(grctl: Grctl, kubeconfig: Path) -> None:
    for name in ("order-2", "order-1", "order-10"):
        grctl("start", "ProcessOrder", name)
    wait = {"since": "2026-11-23T12:00:00Z"}
    waits = {
        "phase": "WaitEvent",
        "message": "Waits for\nan event.",
        "inboxLength": 3,
        "wait": wait,
    }
    set_status(kubeconfig, "order-2", waits)

    head, *rows = grctl("list").stdout.splitlines()

    assert head.split() == HEAD
    assert [row.split()[0] for row in rows] == ["order-1", "order-10", "order-2"]
    assert rows[2].endswith("   Waits for an event.")
    assert rows[2].split()[2:4] == ["WaitEvent", "3"]


@pytest.mark.usefixtures("kubeconfig")
def test_an_empty_list_is_reported_on_standard_error(grctl: Grctl) -> None:
    done = grctl("list", "--type", "Greet", "--phase", "Failed")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == (
        "grctl: no runs in namespace default, spec.workflow.type=Greet, status.phase=Failed\n"
    )
    assert json.loads(grctl("list", "-o", "json").stdout) == []


def test_a_list_can_be_limited_to_a_type_and_a_phase(grctl: Grctl, kubeconfig: Path) -> None:
    for workflow_type, name in (("Greet", "greet-1"), ("Order", "order-1"), ("Order", "order-2")):
        grctl("start", workflow_type, name)
    set_status(kubeconfig, "order-2", {"phase": "WaitEvent"})

    assert ids(grctl("list", "--type", "Order").stdout) == ["order-1", "order-2"]
    assert ids(grctl("list", "--phase", "waitevent").stdout) == ["order-2"]
    assert ids(grctl("list", "--type", "Order", "--phase", "Pending").stdout) == ["order-1"]


@pytest.mark.usefixtures("kubeconfig")
def test_all_namespaces_are_listed_with_their_names(grctl: Grctl) -> None:
    grctl("start", "Order", "order-1", "-n", "default")
    assert grctl("list", "-n", "kube-system").stdout == ""

    head, row = grctl("list", "-A", "-n", "kube-system").stdout.splitlines()

    assert head.split() == ["NAMESPACE", *HEAD]
    assert row.split()[:2] == ["default", "order-1"]


@pytest.mark.usefixtures("kubeconfig")
def test_json_and_yaml_have_the_fields_of_run_info(grctl: Grctl) -> None:
    grctl("start", "Order", "order-1")
    as_json = json.loads(grctl("list", "-o", "json").stdout)
    assert yaml.safe_load(grctl("list", "-o", "yaml").stdout) == as_json
    assert (as_json[0]["workflowId"], as_json[0]["inboxLength"]) == ("order-1", 0)


def test_an_unknown_phase_is_a_wrong_call_that_lists_the_phases(grctl: Grctl) -> None:
    done = grctl("list", "--phase", "Waiting")
    assert done.exit_code == 2
    assert "'Waiting' is not a phase; phases: Pending, Running, WaitEvent" in done.stderr


@pytest.mark.usefixtures("kubeconfig")
def test_a_reader_that_ends_early_causes_no_message(grctl: Grctl) -> None:
    grctl("start", "Order", "order-1")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "grctl.cli", "list"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.stderr == ""
