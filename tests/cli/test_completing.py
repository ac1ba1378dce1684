"""TAB, as the shells ask for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grctl.cli import completing
from grctl.cli.app import app
from tests.cli.conftest import Grctl, set_status

Complete = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "PATIENCE", 60.0)


@pytest.fixture
def complete() -> Complete:
    """Give what is offered for the last word of a command line."""

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        asked = {
            "_GRCTL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        done = CliRunner().invoke(app, [], prog_name="grctl", env=asked)
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
def test_ids_are_those_that_the_command_can_do_something_about(complete: Complete) -> None:
    assert complete("grctl describe ord") == ["order-1", "order-2"]
    for command in ("send", "cancel", "terminate"):
        assert complete(f"grctl {command} ") == ["order-2", "other"]


@pytest.mark.usefixtures("_runs")
def test_event_names_are_those_of_the_run(complete: Complete) -> None:
    assert complete("grctl send order-2 ") == ["approve", "order.rejected", "set_priority"]
    assert complete("grctl send order-2 set") == ["set_priority"]
    assert complete("grctl send other ") == []
    assert complete("grctl send nothing ") == []


@pytest.mark.usefixtures("_runs")
def test_a_namespace_that_was_given_is_looked_into(complete: Complete) -> None:
    assert complete("grctl send -n kube-system ") == []
    assert complete("grctl send -n default or") == ["order-2"]


@pytest.mark.usefixtures("_runs")
def test_types_are_those_that_runs_have(complete: Complete) -> None:
    assert complete("grctl start ") == ["ProcessOrder"]
    assert complete("grctl list --type Pro") == ["ProcessOrder"]


def test_phases_need_no_api(complete: Complete) -> None:
    assert complete("grctl list --phase T") == ["Terminated", "TimedOut"]


def test_without_an_api_nothing_is_offered_and_nothing_said(
    complete: Complete, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(broken))
    assert complete("grctl send ") == []
    broken.write_text("{", encoding="utf-8")
    assert complete("grctl send ") == []


@pytest.mark.usefixtures("_runs")
def test_an_api_that_takes_its_time_is_not_waited_for(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completing, "PATIENCE", 0.0)
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
def test_every_shell_is_answered_in_its_own_way(
    shell: str, asked: dict[str, str], offered: str
) -> None:
    env = {"_GRCTL_COMPLETE": f"complete_{shell}", **asked}
    done = CliRunner().invoke(app, [], prog_name="grctl", env=env)
    assert done.stdout.strip() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_us(shell: str) -> None:
    env = {"_GRCTL_COMPLETE": f"source_{shell}"}
    done = CliRunner().invoke(app, [], prog_name="grctl", env=env)
    assert done.exit_code == 0
    assert f"_GRCTL_COMPLETE=complete_{shell}" in done.stdout
