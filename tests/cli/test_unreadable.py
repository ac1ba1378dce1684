"""Objects that somebody has written by hand and broken: each is shown, and does not hide others."""

import json
from pathlib import Path
from typing import Any

import pytest

from grctl.cli.unreadable import UNKNOWN, event_from, run_from
from tests.cli.conftest import Grctl, read_run, set_status

METADATA = {"name": "order-1", "namespace": "shop", "creationTimestamp": "2026-01-01T12:00:00Z"}
GOOD = {"workflow": {"type": "Order"}}

STATUSES: list[Any] = [
    {"phase": "WaitEvent", "history": [1]},
    {"phase": "Sleeping"},
    {"phase": 5},
    {"phase": ["Failed"]},
    {"store": []},
    {"commits": "many"},
    {"settled": [None]},
    {"wait": []},
    {"phase": "WaitEvent"},
    {"phase": "Running", "commits": 1},
    {"journal": {"entries": []}},
    {"journal": {"entries": {"charge/5f3a09c2/1": 5}}},
    "odd",
    [],
    7,
]
BROKEN_FOR_PEOPLE: list[Any] = [
    {"phase": "Completed", "history": [1]},
    {"phase": "Completed", "history": [1], "result": 7, "conditions": [None]},
    {"inbox": {"a": 1}},
    {"conditions": "none"},
    {"eventNames": [1]},
    {"startedAt": "soon"},
]
SPECS: list[Any] = [
    {"workflow": {"type": "Order", "timeout": "soon"}},
    {"workflow": {"type": ""}},
    {"workflow": {"type": 5}},
    {"workflow": []},
    {"workflow": {"type": "Order"}, "keepEvents": "all"},
    {},
    [],
    "odd",
]


@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_an_invalid_status_is_reported_in_the_message(status: Any) -> None:
    run = run_from({"metadata": METADATA, "spec": GOOD, "status": status})
    assert (run.metadata.name, run.spec.workflow.type) == ("order-1", "Order")
    assert run.status.message.startswith("Cannot be read: status")


@pytest.mark.parametrize("status", BROKEN_FOR_PEOPLE, ids=str)
def test_a_run_of_which_only_fields_for_people_are_broken_is_read(status: Any) -> None:
    run = run_from({"metadata": METADATA, "spec": GOOD, "status": status})
    assert run.status.message == ""
    assert (run.status.phase, run.status.result) == (
        status.get("phase", "Pending"),
        status.get("result"),
    )


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_an_invalid_spec_is_reported_in_the_message(spec: Any) -> None:
    run = run_from({"metadata": METADATA, "spec": spec, "status": {"phase": "Failed"}})
    assert run.spec.workflow.type in {"Order", UNKNOWN}
    assert run.status.message.startswith("Cannot be read: spec")
    assert run.status.phase == "Failed"


@pytest.mark.parametrize("spec", [{}, [], {"workflowId": 1}, {"eventName": "x" * 300}], ids=str)
def test_an_invalid_event_is_reported_in_its_message(spec: Any) -> None:
    event = event_from({"metadata": METADATA, "spec": spec})
    assert event.spec.workflow_id == UNKNOWN
    assert (event.status.message or "").startswith("Cannot be read: spec")


@pytest.fixture
def broken(grctl: Grctl, kubeconfig: Path) -> Path:
    """Create two runs, one of which has an invalid status."""
    for name in ("order-1", "order-2"):
        grctl("start", "Order", name)
    set_status(kubeconfig, "order-1", {"phase": "WaitEvent", "settled": [1]})
    set_status(kubeconfig, "order-2", {"phase": "Running", "message": "Runs."})
    return kubeconfig


@pytest.mark.usefixtures("broken")
def test_a_list_shows_every_run(grctl: Grctl) -> None:
    done = grctl("list")
    _, first, second = done.stdout.splitlines()
    assert first.split()[:3] == ["order-1", "Order", "WaitEvent"]
    assert "Cannot be read: status.settled.0: " in first
    assert second.endswith("Runs.")
    assert [each["workflowId"] for each in json.loads(grctl("list", "-o", "json").stdout)] == [
        "order-1",
        "order-2",
    ]


def test_a_run_with_a_broken_history_alone_is_listed_as_it_is(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "Order", "order-1")
    status = {"phase": "Completed", "message": "Completed.", "history": [1]}
    set_status(kubeconfig, "order-1", status)
    _, row = grctl("list").stdout.splitlines()
    assert row.split()[:3] == ["order-1", "Order", "Completed"]
    assert row.endswith("   Completed.")


@pytest.mark.usefixtures("broken")
def test_an_unreadable_run_is_described_as_far_as_it_can_be_read(grctl: Grctl) -> None:
    done = grctl("describe", "order-1")
    assert done.exit_code == 0
    assert "Message    Cannot be read: status.settled.0: " in done.stdout


@pytest.mark.usefixtures("broken")
def test_an_event_is_sent_to_an_unreadable_run(grctl: Grctl) -> None:
    done = grctl("send", "order-1", "approve", "--name", "once")
    assert (done.exit_code, done.stdout) == (0, "Sent approve to order-1 as once\n")
    assert done.stderr.startswith("grctl: the run order-1 cannot be read: status.settled.0: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["cancel", "terminate"])
def test_an_unreadable_run_can_be_asked_to_end(grctl: Grctl, broken: Path, command: str) -> None:
    done = grctl(command, "order-1")
    assert (done.exit_code, done.stdout) == (0, f"Asked to {command} order-1\n")
    assert "how it stands now cannot be read: status.settled.0: " in done.stderr
    assert read_run(broken, "order-1")["spec"][command] is True


@pytest.mark.usefixtures("broken")
def test_an_unreadable_run_fails_a_wait_in_one_line(grctl: Grctl) -> None:
    done = grctl("cancel", "order-1", "--wait")
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "grctl: The run 'order-1' in namespace 'default' cannot be read: status.settled.0: "
    )
    assert done.stderr.count("\n") == 1
    assert "pydantic" not in done.stderr
