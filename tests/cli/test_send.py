import asyncio
from pathlib import Path
from typing import Any

import pytest

from grctl.kube import EVENTS, Api, Connection
from tests.cli.conftest import Grctl


def event_of(kubeconfig: Path, name: str, status: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read an event, and give it a status before where there is one to give."""

    async def read() -> dict[str, Any]:
        async with Api(await Connection.find(kubeconfig)) as api:
            event = await api.get(EVENTS.path("default", name))
            if status is not None:
                path = EVENTS.path("default", name, "status")
                event = await api.replace(path, event | {"status": status})
            return event

    return asyncio.run(read())


def test_an_event_is_created_for_a_run_that_need_not_exist(grctl: Grctl, kubeconfig: Path) -> None:
    done = grctl("send", "order-1", "set_priority", "--payload", '"high"', "--name", "hurry-1")
    assert (done.exit_code, done.output) == (0, "Sent set_priority to order-1 as hurry-1\n")
    assert event_of(kubeconfig, "hurry-1")["spec"] == {
        "workflowId": "order-1",
        "eventName": "set_priority",
        "payload": "high",
    }


@pytest.mark.usefixtures("kubeconfig")
def test_the_same_event_under_the_same_name_is_sent_once(grctl: Grctl) -> None:
    again = [grctl("send", "order-1", "approve", "--name", "once").exit_code for _ in range(2)]
    other = grctl("send", "order-1", "reject", "--name", "once")
    assert again == [0, 0]
    assert other.exit_code == 1
    assert "There is another event named 'once'" in other.stderr


def test_waiting_ends_with_how_it_was_settled(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("send", "order-1", "approve", "--name", "once")
    event_of(kubeconfig, "once", {"phase": "Processed", "reason": "Handled"})
    done = grctl("send", "order-1", "approve", "--name", "once", "--wait")
    assert done.exit_code == 0
    assert done.stdout.endswith("Processed: Handled\n")


def test_waiting_for_an_event_that_is_rejected_is_an_error_that_says_why(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("send", "order-1", "aprove", "--name", "once")
    status = {"phase": "Rejected", "reason": "UnknownEvent", "message": 'It has "approve".'}
    event_of(kubeconfig, "once", status)
    done = grctl("send", "order-1", "aprove", "--name", "once", "--wait")
    assert (done.exit_code, done.stderr) == (1, 'grctl: Rejected: It has "approve".\n')


def test_bad_json_is_a_wrong_call(grctl: Grctl) -> None:
    done = grctl("send", "order-1", "set_priority", "--payload", "high")
    assert done.exit_code == 2
    assert "Invalid value for --payload" in done.stderr
