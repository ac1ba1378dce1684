import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from grctl.cli import app as app_module
from tests.cli.conftest import Grctl

COMMANDS = [
    "dev",
    "worker",
    "local",
    "operator",
    "crds",
    "start",
    "send",
    "list",
    "describe",
    "history",
    "retry",
    "cancel",
    "terminate",
]


def test_help_lists_every_command_in_the_order_of_first_use(grctl: Grctl) -> None:
    lines = grctl("--help").output.splitlines()
    first = lines.index("Commands:") + 1
    listed = lines[first : lines.index("", first)]
    assert [line.split()[0] for line in listed] == COMMANDS
    assert not any(line.endswith("...") for line in listed)


def test_help_explains_the_exit_codes(grctl: Grctl) -> None:
    assert "Exit codes: 0 done; 1" in grctl("--help").output


def test_the_version_is_that_of_the_distribution(grctl: Grctl) -> None:
    done = grctl("--version")
    assert (done.exit_code, done.output) == (0, f"grctl {version('grctl')}\n")


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if each not in {"local", "operator"}]
)
def test_each_command_has_help(grctl: Grctl, command: str) -> None:
    done = grctl(command, "--help")
    assert done.exit_code == 0
    assert f"Usage: grctl {command}" in done.output


def test_help_imports_neither_network_nor_kubernetes() -> None:
    program = (
        "import sys; import grctl.cli.app; "
        "print([name for name in ('aiohttp', 'kubernetes', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)  # noqa: PLW1510
    assert done.stdout == "[]\n"


def test_an_unknown_command_is_a_wrong_call(grctl: Grctl) -> None:
    done = grctl("begin")
    assert done.exit_code == 2
    assert "No such command 'begin'" in done.stderr


@pytest.mark.parametrize("number", ["-1", "65536", "99999", "1" * 5000, "x", "", "1.5"])
@pytest.mark.parametrize("flag", ["dev --port", "dev --operator-port", "worker a:b --http-port"])
def test_an_invalid_port_is_a_wrong_call(grctl: Grctl, flag: str, number: str) -> None:
    command, *others, option = flag.split()
    done = grctl(command, *others, f"{option}={number}")
    assert done.exit_code == 2
    assert option in done.stderr.splitlines()[-1]


def test_dev_refuses_a_kubeconfig_that_is_not_a_file(grctl: Grctl, tmp_path: Path) -> None:
    done = grctl("dev", "--kubeconfig", str(tmp_path))
    assert done.exit_code == 1
    assert done.stderr == f"grctl: the kubeconfig {tmp_path} is not a file: name one to write\n"


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("name", ["..", ".", "/", "a/b", "Shop", "größe", "x" * 64, "\ud800", "-"])
def test_an_invalid_namespace_is_refused_before_any_request(grctl: Grctl, name: str) -> None:
    for command in (
        ["start", "Order", "order-1"],
        ["send", "order-1", "e"],
        ["list"],
        ["describe", "order-1"],
    ):
        done = grctl(*command, "-n", name)
        assert (done.exit_code, done.stdout) == (1, "")
        message = f"grctl: namespace {name!r} is not a name of a namespace: 1 to"
        assert done.stderr.startswith(message)


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("command", [["start", "\ud800", "order-1"], ["send", "order-1", "\ud800"]])
def test_a_name_with_half_a_character_is_refused_in_one_line(
    grctl: Grctl, command: list[str]
) -> None:
    done = grctl(*command)
    assert done.exit_code == 1
    assert "'\\ud800' has half a character (a surrogate): no JSON can." in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_invalid_path_is_reported_in_one_line(grctl: Grctl) -> None:
    done = grctl("list", "--kubeconfig", "x" * 300)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "File name too long" in done.stderr


def test_a_full_disk_is_not_reported_as_a_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(app_module, "app", broken)
    with pytest.raises(SystemExit, match="1"):
        app_module.main()
    assert capsys.readouterr().err == "grctl: [Errno 28] No space left on device\n"


def test_a_defect_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise KeyError("x")

    monkeypatch.setattr(app_module, "app", broken)
    with pytest.raises(SystemExit, match="1"):
        app_module.main()
    assert (
        capsys.readouterr().err == "grctl: unexpected KeyError: 'x' (GRCTL_DEBUG=1 shows where)\n"
    )
