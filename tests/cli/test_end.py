import json
from pathlib import Path
from typing import Any

import pytest

from grctl.client import WorkflowHandle
from grctl.kube.errors import api_error
from tests.cli.conftest import Grctl, run_of, set_status

pytestmark = pytest.mark.usefixtures("kubeconfig")

WISHES = [("cancel", "Cancelled"), ("terminate", "Terminated")]


@pytest.mark.parametrize(("wish", "_phase"), WISHES)
def test_ending_a_run_is_asked_for_in_its_spec(
    grctl: Grctl, kubeconfig: Path, wish: str, _phase: str
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl(wish, "order-1")
    assert (done.exit_code, done.output) == (0, f"Asked to {wish} order-1\n")
    assert run_of(kubeconfig, "order-1")["spec"][wish] is True


@pytest.mark.parametrize(("wish", "phase"), WISHES)
def test_one_that_has_ended_so_is_not_asked_again(
    grctl: Grctl, kubeconfig: Path, wish: str, phase: str
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", {"phase": phase, "message": f"{phase} by spec."})
    done = grctl(wish, "order-1", "--wait")
    assert (done.exit_code, done.output) == (0, f"order-1: {phase} by spec.\n")
    assert wish not in run_of(kubeconfig, "order-1")["spec"]


def test_one_that_has_ended_otherwise_is_an_error_that_says_how(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", {"phase": "Completed", "message": "Completed."})
    done = grctl("cancel", "order-1", "--wait")
    told = "grctl: too late to cancel order-1, it had ended before: Completed.\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", told)


def test_programs_read_how_the_run_stands(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1")
    asked = json.loads(grctl("terminate", "order-1", "-o", "json").stdout)
    set_status(kubeconfig, "order-1", {"phase": "Completed", "result": 7})
    late = grctl("terminate", "order-1", "-o", "json")
    assert (asked["workflowId"], asked["phase"]) == ("order-1", "Pending")
    assert (late.exit_code, json.loads(late.stdout)["result"]) == (1, 7)


def test_a_wait_that_is_over_says_that_the_run_is_still_active(grctl: Grctl) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("cancel", "order-1", "--wait", "--timeout", "500ms")
    assert done.exit_code == 1
    assert "'order-1' is still active after 0.5 s; it goes on." in done.stderr


def test_a_run_that_is_not_there_cannot_be_ended(grctl: Grctl) -> None:
    done = grctl("cancel", "order-1")
    assert done.exit_code == 1
    assert "There is no run of 'order-1'" in done.stderr


@pytest.mark.parametrize("wish", ["cancel", "terminate"])
def test_a_wish_stays_one_that_was_asked_for_though_the_run_cannot_be_read_again(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    grctl("start", "Order", "order-1")
    describe, told = WorkflowHandle.describe, []

    async def once(handle: WorkflowHandle) -> Any:
        told.append(handle)
        if len(told) > 1:
            raise api_error(403, {"reason": "Forbidden", "message": "may not get workflowruns"})
        return await describe(handle)

    monkeypatch.setattr(WorkflowHandle, "describe", once)
    done = grctl(wish, "order-1")
    assert (done.exit_code, done.stdout) == (0, f"Asked to {wish} order-1\n")
    assert f"order-1 was asked to {wish}; how it stands now cannot be read" in done.stderr
