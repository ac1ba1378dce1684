import json
import shlex
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from grctl.cli.app import app
from grctl.client import WorkflowHandle
from grctl.kube.errors import api_error
from grctl.models.run import RunStatus
from tests.cli.conftest import Grctl, run_of


def test_a_run_is_created_with_its_input_and_timeout(grctl: Grctl, kubeconfig: Path) -> None:
    done = grctl(
        "start",
        "ProcessOrder",
        "order-1",
        "--input",
        '{"order_id": "1"}',
        "--workflow-timeout",
        "1h30m",
    )
    assert (done.exit_code, done.stdout) == (0, "Started order-1 in namespace default\n")
    assert run_of(kubeconfig, "order-1")["spec"]["workflow"] == {
        "type": "ProcessOrder",
        "input": {"order_id": "1"},
        "timeout": "1h30m",
    }


def test_a_run_is_told_what_is_to_stay_of_it(grctl: Grctl, kubeconfig: Path) -> None:
    grctl(
        *("start", "ProcessOrder", "order-1"),
        *("--ttl-after-finished", "1h", "--keep-events", "5"),
    )
    spec = run_of(kubeconfig, "order-1")["spec"]
    assert (spec["ttlSecondsAfterFinished"], spec["keepEvents"]) == (3600, 5)


def test_a_run_is_told_how_often_a_handler_is_tried_again(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1", "--backoff-limit", "2")
    assert run_of(kubeconfig, "order-1")["spec"]["backoffLimit"] == 2


@pytest.mark.usefixtures("kubeconfig")
def test_an_active_run_is_not_started_again(grctl: Grctl) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("start", "ProcessOrder", "order-1")
    assert done.exit_code == 1
    assert done.stderr.startswith("grctl: A run of 'order-1' (ProcessOrder) is active")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("kubeconfig")
def test_an_id_that_is_no_name_is_refused_with_one_that_is(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "Order_1")
    assert done.exit_code == 1
    assert "'order-1' would fit" in done.stderr


def test_json_that_a_shell_has_unquoted_is_pointed_at(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", "{order_id: 1}")
    assert done.exit_code == 2
    assert "Invalid value for --input" in done.stderr
    assert "{order_id: 1}\n ^ Expecting property name" in done.stderr
    assert "single quotes" in done.stderr


def test_the_place_is_in_its_line(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", '{"a": 1,\n "b": oops}')
    assert ' "b": oops}\n      ^ Expecting value' in done.stderr


def test_bare_text_is_shown_as_json_text(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", "high")
    assert """inside single ones: '"high"'""" in done.stderr


def test_the_hint_can_be_typed_whatever_the_text_is(grctl: Grctl) -> None:
    text = "it's $(touch x)"
    done = grctl("start", "ProcessOrder", "order-1", "--input", text)
    hint = done.stderr.splitlines()[-1].partition("inside single ones: ")[2]
    assert [json.loads(word) for word in shlex.split(hint)] == [text]
    long = grctl("start", "ProcessOrder", "order-1", "--input", "x" * 5000)
    assert len(long.stderr) < 500


def test_json_may_come_from_a_file_or_from_standard_input(
    grctl: Grctl, kubeconfig: Path, tmp_path: Path
) -> None:
    (tmp_path / "input.json").write_text('{"note": "größe"}', encoding="utf-8")
    grctl("start", "ProcessOrder", "order-1", "--input", f"@{tmp_path}/input.json")
    command = ["start", "ProcessOrder", "order-2", "--input", "@-"]
    CliRunner().invoke(app, command, input='"piped"')
    assert run_of(kubeconfig, "order-1")["spec"]["workflow"]["input"] == {"note": "größe"}
    assert run_of(kubeconfig, "order-2")["spec"]["workflow"]["input"] == "piped"


def test_a_mistake_in_a_long_file_is_shown_with_what_is_around_it(
    grctl: Grctl, tmp_path: Path
) -> None:
    path = tmp_path / "input.json"
    path.write_text(json.dumps(["x"] * 1000) + "]", encoding="utf-8")
    done = grctl("start", "ProcessOrder", "order-1", "--input", f"@{path}")
    assert done.exit_code == 2
    assert '"x", "x"]]\n' in done.stderr
    assert "^ Extra data" in done.stderr
    assert len(done.stderr) < 500


def test_a_file_that_is_not_there_is_a_wrong_call(grctl: Grctl, tmp_path: Path) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", f"@{tmp_path}/nothing")
    assert done.exit_code == 2
    assert "No such file or directory" in done.stderr


def test_what_json_does_not_have_is_refused(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", "[NaN]")
    assert done.exit_code == 2
    assert "JSON has no NaN" in done.stderr


def test_a_timeout_that_is_no_duration_is_refused(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--workflow-timeout", "soon")
    assert done.exit_code == 2
    assert "'soon' is not a duration; write it like 90s" in done.stderr


def test_a_limit_without_a_wait_is_a_wrong_call(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--timeout", "5s")
    assert done.exit_code == 2
    assert "it limits --wait, which is not given" in done.stderr


@pytest.mark.usefixtures("kubeconfig")
def test_a_wait_that_is_over_says_that_the_run_goes_on(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--wait", "--timeout", "1ms")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Started order-1 in namespace default\n"
        "grctl: The run of 'order-1' is still active after 0.001 s; it goes on.\n"
    )


@pytest.mark.usefixtures("kubeconfig")
def test_programs_read_how_the_new_run_stands(grctl: Grctl) -> None:
    started = json.loads(grctl("start", "ProcessOrder", "order-1", "-o", "json").stdout)
    assert (started["workflowId"], started["phase"]) == ("order-1", "Pending")


FORBIDDEN = api_error(403, {"reason": "Forbidden", "message": "may not get workflowruns"})


def _unreadable() -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        RunStatus.model_validate({"phase": "Sleeping"})
    return raised.value


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("error", [FORBIDDEN, _unreadable()], ids=["forbidden", "unreadable"])
def test_a_run_is_started_though_it_cannot_be_read_again(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refuse(_handle: WorkflowHandle) -> None:
        raise error

    monkeypatch.setattr(WorkflowHandle, "describe", refuse)
    done = grctl("start", "ProcessOrder", "order-1", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["workflowId"]) == (0, "order-1")
    assert "Started order-1 in namespace default; how it stands now cannot be read" in done.stderr


def test_without_an_api_it_says_where_it_looked(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = grctl("start", "ProcessOrder", "order-1")
    assert done.exit_code == 1
    assert done.stderr.startswith("grctl: No Kubernetes API is configured")


def test_the_kubeconfig_of_a_dev_in_this_directory_is_pointed_at(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".grctl").mkdir()
    (tmp_path / ".grctl" / "kubeconfig").touch()
    done = grctl("start", "ProcessOrder", "order-1")
    assert done.stderr.endswith(
        "For the one of `grctl dev` in this directory: export"
        f" KUBECONFIG={tmp_path}/.grctl/kubeconfig\n"
    )


def test_a_kubeconfig_that_is_not_there_is_named(grctl: Grctl, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    done = grctl("start", "ProcessOrder", "order-1", "--kubeconfig", str(missing))
    assert done.exit_code == 1
    assert str(missing) in done.stderr


@pytest.mark.usefixtures("kubeconfig")
def test_a_context_that_is_not_there_is_told_with_those_that_are(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--context", "production")
    assert done.exit_code == 1
    assert "it has: grctl-local" in done.stderr
