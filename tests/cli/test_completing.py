"""Completion at TAB, as the shells ask for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grctl.cli import completing
from grctl.cli.app import app
from tests.cli.conftest import Grctl, set_status

Complete = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "COMPLETION_TIMEOUT_S", 60.0)


@pytest.fixture
def complete() -> Complete:
    """Return a function that completes the last word of a command line."""

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        environment = {
            "_GRCTL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        done = CliRunner().invoke(app, [], prog_name="grctl", env=environment)
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@pytest.fixture
def _runs(grctl: Grctl, kubeconfig: Path) -> None:
    for name in ("order-1", "order-2", "other"):
        grctl("start", "ProcessOrder", name)
    set_status(kubeconfig, "order-1", {"phase": "Completed"})
    names = ["set_priority", "approve", "order.rejected"]
    set_status(kubeconfig, "order-2", {"phase": "WaitEvent", "eventNames": names})


def test_completion_offers_no_name_that_a_shell_would_run(
    complete: Complete, grctl: Grctl, kubeconfig: Path
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    names = ["$(reboot)", "`reboot`", "a;b", "a b", "a\x1b[2J", "審査", "a.b"]
    set_status(kubeconfig, "order-1", {"phase": "WaitEvent", "eventNames": names})
    assert complete("grctl send order-1 ") == ["a.b", "審査"]


@pytest.mark.usefixtures("_runs")
def test_options_may_stand_before_the_command(complete: Complete) -> None:
    assert complete("grctl -n default describe ord") == ["order-1", "order-2"]
    assert complete("grctl -n kube-system describe ord") == []


@pytest.mark.usefixtures("_runs")
def test_commands_for_active_runs_offer_only_their_ids(complete: Complete) -> None:
    assert complete("grctl describe ord") == ["order-1", "order-2"]
    for command in ("send", "cancel", "terminate"):
        assert complete(f"grctl {command} ") == ["order-2", "other"]


def test_a_retry_offers_the_runs_that_are_held_or_else_the_active_ones(
    complete: Complete, grctl: Grctl, kubeconfig: Path
) -> None:
    for name in ("order-1", "order-2"):
        grctl("start", "ProcessOrder", name)
    assert complete("grctl retry ") == ["order-1", "order-2"]

    stall = {"reason": "HandlerFailed", "message": "", "since": "2026-11-28T12:00:00Z"}
    step = {"name": "pay", "kind": "step", "since": "2026-11-28T12:00:00Z", "stall": stall}
    set_status(kubeconfig, "order-2", {"phase": "Running", "commits": 1, "step": step})

    assert complete("grctl retry ") == ["order-2"]


@pytest.mark.usefixtures("_runs")
def test_the_offered_event_names_are_those_of_the_run(complete: Complete) -> None:
    assert complete("grctl send order-2 ") == ["approve", "order.rejected", "set_priority"]
    assert complete("grctl send order-2 set") == ["set_priority"]
    assert complete("grctl send other ") == []
    assert complete("grctl send nothing ") == []


@pytest.mark.usefixtures("_runs")
def test_ids_are_those_of_the_given_namespace(complete: Complete) -> None:
    assert complete("grctl send -n kube-system ") == []
    assert complete("grctl send -n default or") == ["order-2"]


@pytest.mark.usefixtures("_runs")
def test_the_offered_types_are_those_of_all_runs(complete: Complete) -> None:
    assert complete("grctl start ") == ["ProcessOrder"]
    assert complete("grctl list --type Pro") == ["ProcessOrder"]


def test_phases_need_no_api(complete: Complete) -> None:
    assert complete("grctl list --phase T") == ["Terminated", "TimedOut"]


def test_completion_without_an_api_offers_nothing_and_writes_no_error(
    complete: Complete, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(broken))
    assert complete("grctl send ") == []
    broken.write_text("{", encoding="utf-8")
    assert complete("grctl send ") == []


@pytest.mark.usefixtures("_runs")
def test_completion_does_not_wait_for_a_slow_api(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completing, "COMPLETION_TIMEOUT_S", 0.0)
    assert complete("grctl send ") == []


@pytest.mark.parametrize(
    ("shell", "asked", "offered"),
    [
        ("bash", {"COMP_WORDS": "grctl send order-2 a", "COMP_CWORD": "3"}, "approve"),
        (
            "zsh",
            {"_TYPER_COMPLETE_ARGS": "grctl send order-2 a"},
            """_arguments '*: :(("approve"))'""",
        ),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "grctl send order-2 a",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
            "approve",
        ),
    ],
)
@pytest.mark.usefixtures("_runs")
def test_each_shell_gets_its_own_format(shell: str, asked: dict[str, str], offered: str) -> None:
    env = {"_GRCTL_COMPLETE": f"complete_{shell}", **asked}
    done = CliRunner().invoke(app, [], prog_name="grctl", env=env)
    assert done.stdout.strip() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_calls_grctl(shell: str) -> None:
    env = {"_GRCTL_COMPLETE": f"source_{shell}"}
    done = CliRunner().invoke(app, [], prog_name="grctl", env=env)
    assert done.exit_code == 0
    assert f"_GRCTL_COMPLETE=complete_{shell}" in done.stdout
