"""`--request-timeout`: every command reports an API that accepts connections and never answers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from grctl.cli.times import read_seconds
from tests.cli.conftest import Grctl

COMMANDS = {
    "list": ("list",),
    "list everywhere": ("list", "-A"),
    "describe": ("describe", "order-1"),
    "start": ("start", "Order", "order-1"),
    "send": ("send", "order-1", "approve"),
    "send by force": ("send", "order-1", "approve", "--force"),
    "cancel": ("cancel", "order-1"),
    "terminate": ("terminate", "order-1", "--wait"),
}


@pytest.fixture
def silent_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve connections without ever reading or answering. Set $KUBECONFIG."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = {
            "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": server}}],
            "contexts": [{"name": "a", "context": {"cluster": "a"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        monkeypatch.setenv("KUBECONFIG", str(path))
        yield


@pytest.mark.usefixtures("silent_api")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_reports_an_api_that_never_answers(
    grctl: Grctl, command: tuple[str, ...]
) -> None:
    done = grctl(*command, "--request-timeout", "50ms")

    assert done.exit_code == 1
    assert "no answer within 0.05 s. Is the Kubernetes API running" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("silent_api")
def test_the_option_may_stand_before_the_command(grctl: Grctl) -> None:
    done = grctl("--request-timeout=50ms", "list")

    assert done.exit_code == 1
    assert "no answer within 0.05 s" in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("5", 5), ("0", 0), ("0s", 0)]
)
def test_a_number_without_a_unit_is_seconds_as_for_kubectl(text: str, seconds: float) -> None:
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["-1", "soon", "5d", "nan", ""])
def test_a_text_that_is_not_a_duration_is_refused(grctl: Grctl, text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a duration; write it like 90s, 15m or"):
        read_seconds(text)

    done = grctl("list", f"--request-timeout={text}")
    assert done.exit_code == 2
    assert "is not a duration" in done.stderr
