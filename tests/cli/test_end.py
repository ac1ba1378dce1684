import json
from pathlib import Path
from typing import Any

import pytest

from grctl.client import WorkflowHandle
from grctl.kube.errors import api_error
from tests.cli.conftest import Grctl, read_run, set_status

pytestmark = pytest.mark.usefixtures("kubeconfig")

REQUESTS = [("cancel", "Cancelled"), ("terminate", "Terminated")]


@pytest.mark.parametrize(("command", "_phase"), REQUESTS)
def test_a_request_to_end_a_run_is_written_into_its_spec(
    grctl: Grctl, kubeconfig: Path, command: str, _phase: str
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl(command, "order-1")
    assert (done.exit_code, done.output) == (0, f"Asked to {command} order-1\n")
    assert read_run(kubeconfig, "order-1")["spec"][command] is True


def test_the_reason_of_a_cancellation_is_written_into_the_spec(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("cancel", "order-1", "--reason", "no stock")
    assert (done.exit_code, done.output) == (0, "Asked to cancel order-1\n")
    spec = read_run(kubeconfig, "order-1")["spec"]
    assert (spec["cancel"], spec["cancelReason"]) == (True, "no stock")


def test_a_reason_that_is_too_long_cancels_nothing(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("cancel", "order-1", "--reason", "x" * 5000)
    assert done.exit_code == 1
    assert "The reason is 4.9 KiB of JSON; at most 4.0 KiB are kept" in done.stderr
    assert "cancel" not in read_run(kubeconfig, "order-1")["spec"]


@pytest.mark.parametrize(("command", "phase"), REQUESTS)
def test_a_run_that_has_ended_in_the_requested_way_is_not_changed(
    grctl: Grctl, kubeconfig: Path, command: str, phase: str
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", {"phase": phase, "message": f"{phase} by spec."})
    done = grctl(command, "order-1", "--wait")
    assert (done.exit_code, done.output) == (0, f"order-1: {phase} by spec.\n")
    assert command not in read_run(kubeconfig, "order-1")["spec"]


def test_a_run_that_has_ended_in_another_way_is_an_error_with_that_end(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", {"phase": "Completed", "message": "Completed."})
    done = grctl("cancel", "order-1", "--wait")
    message = "grctl: too late to cancel order-1, it had ended before: Completed.\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", message)


def test_the_state_of_the_run_can_be_read_by_programs(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1")
    asked = json.loads(grctl("terminate", "order-1", "-o", "json").stdout)
    set_status(kubeconfig, "order-1", {"phase": "Completed", "result": 7})
    late = grctl("terminate", "order-1", "-o", "json")
    assert (asked["workflowId"], asked["phase"]) == ("order-1", "Pending")
    assert (late.exit_code, json.loads(late.stdout)["result"]) == (1, 7)


def test_a_wait_that_times_out_says_that_the_run_is_still_active(grctl: Grctl) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("cancel", "order-1", "--wait", "--timeout", "500ms")
    assert done.exit_code == 1
    assert "'order-1' is still active after 0.5 s; it goes on." in done.stderr


def test_ending_a_missing_run_is_an_error(grctl: Grctl) -> None:
    done = grctl("cancel", "order-1")
    assert done.exit_code == 1
    assert "There is no run of 'order-1'" in done.stderr


@pytest.mark.parametrize("command", ["cancel", "terminate"])
def test_a_request_is_reported_as_made_if_the_run_cannot_be_read_afterwards(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    grctl("start", "Order", "order-1")
    describe, calls = WorkflowHandle.describe, []

    async def once(handle: WorkflowHandle) -> Any:
        calls.append(handle)
        if len(calls) > 1:
            raise api_error(403, {"reason": "Forbidden", "message": "may not get workflowruns"})
        return await describe(handle)

    monkeypatch.setattr(WorkflowHandle, "describe", once)
    done = grctl(command, "order-1")
    assert (done.exit_code, done.stdout) == (0, f"Asked to {command} order-1\n")
    assert f"order-1 was asked to {command}; how it stands now cannot be read" in done.stderr
