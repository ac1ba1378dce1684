"""`grctl retry`, `grctl list --held`: runs that are held until a person acts."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grctl.client import WorkflowHandle
from tests.cli.conftest import Grctl, read_run, set_status

SINCE = "2026-11-28T12:00:00Z"
WHY = "approve failed 4 times (ValueError: no stock). Mend the cause, then: grctl retry order-1."
STALL = {"reason": "HandlerFailed", "message": WHY, "since": SINCE}
STEP = {"name": "approve", "kind": "event", "failures": 4, "since": SINCE}
WAITS = {"phase": "WaitEvent", "commits": 1, "wait": {"since": SINCE}, "message": "Waits."}
HELD = {**WAITS, "message": WHY, "step": {**STEP, "stall": STALL}}


def hold(grctl: Grctl, kubeconfig: Path, name: str = "order-1", **fields: Any) -> None:
    grctl("start", "ProcessOrder", name)
    set_status(kubeconfig, name, HELD | fields)


def test_a_retry_says_what_it_did_and_why_the_run_was_held(grctl: Grctl, kubeconfig: Path) -> None:
    hold(grctl, kubeconfig)

    done = grctl("retry", "order-1")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        f"Asked order-1 to try approve again (spec.retry 1). It was held: {WHY}\n"
    )
    assert read_run(kubeconfig, "order-1")["spec"]["retry"] == 1


def test_a_run_that_is_not_held_is_an_error_that_says_what_it_does(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", WAITS)

    done = grctl("retry", "order-1")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == ("grctl: order-1 is not held, so there is nothing to retry: Waits.\n")
    assert "retry" not in read_run(kubeconfig, "order-1")["spec"]


def test_the_state_of_a_retried_run_can_be_read_by_programs(grctl: Grctl, kubeconfig: Path) -> None:
    hold(grctl, kubeconfig)

    info = json.loads(grctl("retry", "order-1", "-o", "json").stdout)

    assert (info["workflowId"], info["step"]["stall"]["reason"]) == ("order-1", "HandlerFailed")


Follow = Callable[[dict[str, Any]], None]


@pytest.fixture
def follow_retry(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> Follow:
    """Return a function whose status order-1 gets once its retry was accepted."""
    retry = WorkflowHandle.retry

    def follow(status: dict[str, Any]) -> None:
        async def followed(self: WorkflowHandle) -> int:
            number = await retry(self)
            await asyncio.to_thread(set_status, kubeconfig, "order-1", status)
            return number

        monkeypatch.setattr(WorkflowHandle, "retry", followed)

    return follow


@pytest.mark.parametrize(
    "end",
    [
        ({**WAITS, "commits": 2, "observedRetry": 1}, 0, "order-1: Waits.\n"),
        ({"phase": "Completed", "message": "Completed.", "commits": 2}, 0, "order-1: Completed.\n"),
        ({**HELD, "observedRetry": 1}, 1, "grctl: order-1 is held again: approve failed 4 times"),
        (
            {"phase": "Failed", "message": "Failed: no.", "commits": 2},
            1,
            "grctl: order-1 has ended: Failed: no.\n",
        ),
    ],
)
def test_a_retry_that_waits_says_what_became_of_the_handler(
    grctl: Grctl, kubeconfig: Path, follow_retry: Follow, end: tuple[dict[str, Any], int, str]
) -> None:
    status, code, says = end
    hold(grctl, kubeconfig)
    follow_retry(status)

    done = grctl("retry", "order-1", "--wait")

    assert done.exit_code == code
    assert says in (done.stderr if code else done.stdout)


def test_a_wait_for_a_retry_that_takes_too_long_says_that_it_goes_on(
    grctl: Grctl, kubeconfig: Path
) -> None:
    hold(grctl, kubeconfig)

    done = grctl("retry", "order-1", "--wait", "--timeout", "200ms")

    assert done.exit_code == 1
    assert "order-1 has no outcome yet after 0.2 s; it goes on." in done.stderr


def test_held_runs_are_recognised_in_a_list_and_can_be_listed_alone(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-0")
    hold(grctl, kubeconfig)

    rows = grctl("list").stdout.splitlines()
    alone = grctl("list", "--held").stdout.splitlines()

    assert [row.split()[0] for row in rows[1:]] == ["order-0", "order-1"]
    assert "WaitEvent (held)   approve" in rows[2]
    assert [row.split()[0] for row in alone[1:]] == ["order-1"]
    assert grctl("list", "--held", "--type", "Other").stderr == (
        "grctl: no held runs in namespace default, spec.workflow.type=Other\n"
    )
