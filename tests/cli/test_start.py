import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grctl.cli.app import app
from grctl.client import UnreadableObjectError, WorkflowHandle
from grctl.kube.errors import api_error
from tests.cli.conftest import Grctl, read_run


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
    assert read_run(kubeconfig, "order-1")["spec"]["workflow"] == {
        "type": "ProcessOrder",
        "input": {"order_id": "1"},
        "timeout": "1h30m",
    }


def test_a_run_is_created_with_its_limits_for_kept_events_and_lifetime(
    grctl: Grctl, kubeconfig: Path
) -> None:
    grctl(
        *("start", "ProcessOrder", "order-1"),
        *("--ttl-after-finished", "1h", "--keep-events", "5"),
    )
    spec = read_run(kubeconfig, "order-1")["spec"]
    assert (spec["ttlSecondsAfterFinished"], spec["keepEvents"]) == (3600, 5)


def test_a_run_is_created_with_its_backoff_limit(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1", "--backoff-limit", "2")
    assert read_run(kubeconfig, "order-1")["spec"]["backoffLimit"] == 2


@pytest.mark.usefixtures("kubeconfig")
def test_an_active_run_is_not_started_again(grctl: Grctl) -> None:
    grctl("start", "ProcessOrder", "order-1")
    done = grctl("start", "ProcessOrder", "order-1")
    assert done.exit_code == 1
    assert done.stderr.startswith("grctl: A run of 'order-1' (ProcessOrder) is active")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("kubeconfig")
def test_an_invalid_id_is_refused_with_a_similar_valid_one(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "Order_1")
    assert done.exit_code == 1
    assert "'order-1' would fit" in done.stderr


def test_the_error_points_at_json_that_a_shell_has_unquoted(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", "{order_id: 1}")
    assert done.exit_code == 2
    assert "Invalid value for --input" in done.stderr
    assert "{order_id: 1}\n ^ Expecting property name" in done.stderr
    assert "single quotes" in done.stderr


def test_the_error_points_at_the_place_in_its_line(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", '{"a": 1,\n "b": oops}')
    assert ' "b": oops}\n      ^ Expecting value' in done.stderr


def test_the_error_shows_how_to_write_a_text_as_json(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", "high")
    assert """inside single ones: '"high"'""" in done.stderr


def test_the_hint_for_any_text_can_be_typed_in_a_shell(grctl: Grctl) -> None:
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
    assert read_run(kubeconfig, "order-1")["spec"]["workflow"]["input"] == {"note": "größe"}
    assert read_run(kubeconfig, "order-2")["spec"]["workflow"]["input"] == "piped"


def test_a_mistake_in_a_long_file_is_shown_with_the_text_around_it(
    grctl: Grctl, tmp_path: Path
) -> None:
    path = tmp_path / "input.json"
    path.write_text(json.dumps(["x"] * 1000) + "]", encoding="utf-8")
    done = grctl("start", "ProcessOrder", "order-1", "--input", f"@{path}")
    assert done.exit_code == 2
    assert '"x", "x"]]\n' in done.stderr
    assert "^ Extra data" in done.stderr
    assert len(done.stderr) < 500


def test_a_missing_input_file_is_a_wrong_call(grctl: Grctl, tmp_path: Path) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", f"@{tmp_path}/nothing")
    assert done.exit_code == 2
    assert "No such file or directory" in done.stderr


def test_a_number_that_json_does_not_have_is_refused(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--input", "[NaN]")
    assert done.exit_code == 2
    assert "JSON has no NaN" in done.stderr


def test_a_timeout_that_is_not_a_duration_is_refused(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--workflow-timeout", "soon")
    assert done.exit_code == 2
    assert "'soon' is not a duration; write it like 90s" in done.stderr


@pytest.mark.parametrize(
    ("flag", "longest"),
    [("--workflow-timeout", "876000h"), ("--ttl-after-finished", "596523h14m7s")],
)
def test_the_error_of_a_duration_that_is_too_long_names_the_longest(
    grctl: Grctl, flag: str, longest: str
) -> None:
    done = grctl("start", "ProcessOrder", "order-1", flag, "999999999h")
    assert done.exit_code == 2
    assert f"{flag}: '999999999h' is too long; the longest is {longest}" in done.stderr
    assert "timedelta" not in done.stderr


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize(
    ("flag", "longest"),
    [("--workflow-timeout", "876000h"), ("--ttl-after-finished", "596523h14m7s")],
)
def test_the_longest_duration_is_accepted(grctl: Grctl, flag: str, longest: str) -> None:
    assert grctl("start", "ProcessOrder", "order-1", flag, longest).exit_code == 0


def test_a_limit_without_a_wait_is_a_wrong_call(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--timeout", "5s")
    assert done.exit_code == 2
    assert "it limits --wait, which is not given" in done.stderr


@pytest.mark.usefixtures("kubeconfig")
def test_a_wait_that_times_out_says_that_the_run_goes_on(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--wait", "--timeout", "1ms")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Started order-1 in namespace default\n"
        "grctl: The run of 'order-1' is still active after 0.001 s; it goes on.\n"
    )


@pytest.mark.usefixtures("kubeconfig")
def test_the_state_of_the_new_run_can_be_read_by_programs(grctl: Grctl) -> None:
    started = json.loads(grctl("start", "ProcessOrder", "order-1", "-o", "json").stdout)
    assert (started["workflowId"], started["phase"]) == ("order-1", "Pending")


FORBIDDEN = api_error(403, {"reason": "Forbidden", "message": "may not get workflowruns"})


UNREADABLE = UnreadableObjectError("The run cannot be read.", "status.phase: no such phase")


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("error", [FORBIDDEN, UNREADABLE], ids=["forbidden", "unreadable"])
def test_a_run_is_reported_as_started_if_it_cannot_be_read_afterwards(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refuse(_handle: WorkflowHandle) -> None:
        raise error

    monkeypatch.setattr(WorkflowHandle, "describe", refuse)
    done = grctl("start", "ProcessOrder", "order-1", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["workflowId"]) == (0, "order-1")
    assert "Started order-1 in namespace default; how it stands now cannot be read" in done.stderr


def test_the_error_without_an_api_says_how_to_configure_one(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = grctl("start", "ProcessOrder", "order-1")
    assert done.exit_code == 1
    assert done.stderr.startswith("grctl: No Kubernetes API is configured")


def test_the_error_points_at_the_kubeconfig_of_a_dev_in_this_directory(
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


def test_the_error_names_a_missing_kubeconfig(grctl: Grctl, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    done = grctl("start", "ProcessOrder", "order-1", "--kubeconfig", str(missing))
    assert done.exit_code == 1
    assert str(missing) in done.stderr


@pytest.mark.usefixtures("kubeconfig")
def test_the_error_of_a_missing_context_lists_the_present_ones(grctl: Grctl) -> None:
    done = grctl("start", "ProcessOrder", "order-1", "--context", "production")
    assert done.exit_code == 1
    assert "it has: grctl-local" in done.stderr
