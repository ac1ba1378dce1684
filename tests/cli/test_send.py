import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.kube import EVENTS, Api, Connection
from grctl.kube.errors import api_error
from tests.cli.conftest import Grctl, set_status


def event_of(kubeconfig: Path, name: str, status: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an event. Write its status before, if one is given."""

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
    assert (done.exit_code, done.stdout) == (0, "Sent set_priority to order-1 as hurry-1\n")
    assert done.stderr == (
        "grctl: there is no run of 'order-1' in namespace 'default' yet; the event waits for it\n"
    )
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


def test_a_wait_ends_with_the_final_status_of_the_event(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("send", "order-1", "approve", "--name", "once")
    event_of(kubeconfig, "once", {"phase": "Processed", "reason": "Handled"})
    done = grctl("send", "order-1", "approve", "--name", "once", "--wait")
    assert done.exit_code == 0
    assert done.stdout.endswith("Processed: Handled\n")


def test_a_wait_for_a_rejected_event_is_an_error_with_the_reason(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("send", "order-1", "aprove", "--name", "once")
    status = {"phase": "Rejected", "reason": "UnknownEvent", "message": 'It has "approve".'}
    event_of(kubeconfig, "once", status)
    done = grctl("send", "order-1", "aprove", "--name", "once", "--wait")
    assert done.exit_code == 1
    assert done.stderr.endswith('grctl: Rejected: It has "approve".\n')


def test_bad_json_is_a_wrong_call(grctl: Grctl) -> None:
    done = grctl("send", "order-1", "set_priority", "--payload", "high")
    assert done.exit_code == 2
    assert "Invalid value for --payload" in done.stderr


def test_any_event_is_sent_to_a_run_whose_event_names_are_unknown(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("send", "order-1", "aprove", "--name", "once")
    assert (done.exit_code, done.stderr) == (0, "")
    assert event_of(kubeconfig, "once")["spec"]["eventName"] == "aprove"


def test_the_nearest_event_name_is_listed_first(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1")
    names = ["note", "order.approved", "order.rejected"]
    set_status(kubeconfig, "order-1", {"phase": "WaitEvent", "eventNames": names})
    done = grctl("send", "order-1", "order.reject")
    assert done.exit_code == 1
    assert (
        'Did you mean "order.rejected"? It has "order.rejected", "note", "order.approved".'
        in done.stderr
    )


def test_control_characters_in_a_proposed_name_are_escaped(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "Order\x1b[2J", "order-1")
    names = ["\x1b[2Japprove", "note\r"]
    set_status(kubeconfig, "order-1", {"phase": "WaitEvent", "eventNames": names})
    done = grctl("send", "order-1", "\x1b[2Japrove")
    assert 'Did you mean "\\x1b[2Japprove"? It has "\\x1b[2Japprove", "note\\r".' in done.stderr
    assert "\x1b" not in done.output


NEW_VERSION_STATUS = {"phase": "WaitEvent", "eventNames": ["approve", "reject"]}
"""Status of a run whose workers were replaced meanwhile by a version that handles `sign_off`."""


@pytest.mark.parametrize(
    ("status", "event_name"),
    [
        (NEW_VERSION_STATUS, "sign_off"),
        (NEW_VERSION_STATUS | {"phase": "Running"}, "aprove"),
        (NEW_VERSION_STATUS | {"phase": "Pending"}, "aprove"),
    ],
    ids=["unlike", "running", "pending"],
)
def test_an_event_name_that_may_be_right_is_sent_with_a_warning(
    grctl: Grctl, kubeconfig: Path, status: dict[str, Any], event_name: str
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", status)
    done = grctl("send", "order-1", event_name, "--name", "once")
    assert (done.exit_code, done.stdout) == (0, f"Sent {event_name} to order-1 as once\n")
    assert done.stderr == (
        f'grctl: ProcessOrder had no event handler "{event_name}" when its workers were last asked;'
        ' it had "approve", "reject". The event is rejected in its turn unless a worker has one by'
        " then.\n"
    )
    assert event_of(kubeconfig, "once")["spec"]["eventName"] == event_name


def test_an_event_name_of_an_earlier_version_is_sent_with_a_warning(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", NEW_VERSION_STATUS | {"pastEventNames": ["approve2"]})
    done = grctl("send", "order-1", "approve2", "--name", "once")
    assert (done.exit_code, done.stdout) == (0, "Sent approve2 to order-1 as once\n")
    assert "An earlier version had one: the event waits until a worker has it" in done.stderr


CHOOSING_STATUS = NEW_VERSION_STATUS | {
    "wait": {"since": "2026-11-23T10:00:00Z", "events": ["approve"]}
}
"""Status of a run that has a handler for `reject`, and whose present wait does not take it."""


@pytest.mark.parametrize(
    ("event_name", "note"),
    [
        ("approve", ""),
        (
            "reject",
            'grctl: order-1 waits for "approve" now; "reject" keeps its place for a later wait\n',
        ),
    ],
)
def test_an_event_that_the_present_wait_does_not_take_is_sent_with_a_note(
    grctl: Grctl, kubeconfig: Path, event_name: str, note: str
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", CHOOSING_STATUS)
    done = grctl("send", "order-1", event_name, "--name", "once")
    assert (done.exit_code, done.stdout) == (0, f"Sent {event_name} to order-1 as once\n")
    assert done.stderr == note
    assert event_of(kubeconfig, "once")["spec"]["eventName"] == event_name


def test_a_name_that_nothing_handles_is_no_matter_of_a_later_wait(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", CHOOSING_STATUS)
    done = grctl("send", "order-1", "sign_off", "--name", "once")
    assert "The event is rejected in its turn" in done.stderr
    assert "later wait" not in done.stderr


def test_a_forced_event_name_is_sent_without_a_warning(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", NEW_VERSION_STATUS)
    done = grctl("send", "order-1", "aprove", "--force")
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.usefixtures("kubeconfig")
def test_the_sent_event_can_be_read_by_programs(grctl: Grctl) -> None:
    done = grctl("send", "order-1", "approve", "--name", "once", "-o", "json")
    sent = json.loads(done.stdout)
    assert {key: sent[key] for key in ("name", "namespace", "workflowId", "eventName")} == {
        "name": "once",
        "namespace": "default",
        "workflowId": "order-1",
        "eventName": "approve",
    }


def test_the_final_status_can_be_read_by_programs(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("send", "order-1", "approve", "--name", "once")
    event_of(kubeconfig, "once", {"phase": "Rejected", "reason": "RunFinished", "message": "Late."})
    done = grctl("send", "order-1", "approve", "--name", "once", "--wait", "-o", "yaml")
    settled = yaml.safe_load(done.stdout)
    assert (done.exit_code, settled["phase"]) == (1, "Rejected")
    assert (settled["name"], settled["reason"]) == ("once", "RunFinished")
    assert done.stderr.endswith("grctl: Rejected: Late.\n")


@pytest.mark.usefixtures("kubeconfig")
def test_control_characters_in_an_event_name_are_escaped(grctl: Grctl) -> None:
    done = grctl("send", "order-1", "\x1b[2J", "--name", "once")
    assert done.stdout == "Sent \\x1b[2J to order-1 as once\n"


@pytest.mark.usefixtures("kubeconfig")
def test_a_sender_may_lack_the_right_to_read_runs(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = Api.get

    async def guarded(api: Api, path: str, *arguments: Any) -> Any:
        if "workflowruns" in path:
            raise api_error(403, {"reason": "Forbidden", "message": "may not get workflowruns"})
        return await get(api, path, *arguments)

    monkeypatch.setattr(Api, "get", guarded)
    done = grctl("send", "order-1", "approve", "--name", "once")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "Sent approve to order-1 as once\n"
