import subprocess
import sys
from pathlib import Path

import pytest

from grctl.cli import handover
from tests.cli.conftest import Grctl


@pytest.mark.parametrize("program", ["local", "operator"])
def test_a_command_becomes_the_program_with_its_own_flags(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grctl.cli", program, "--help"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.startswith(f"usage: grctl {program}")


@pytest.mark.parametrize(
    ("command", "extras"),
    [("dev", "local,operator"), ("local", "local"), ("operator", "operator")],
)
def test_a_command_without_its_extra_names_it_and_starts_nothing(
    command: str, extras: str, tmp_path: Path
) -> None:
    """`pip install grctl` installs our own packages, but not the packages that they need."""
    program = (
        "import sys\n"
        "for name in ('kopf', 'prometheus_client', 'cel', 'cryptography'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['grctl', *sys.argv[1:]]\n"
        "from grctl.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f'not installed here: pip install "grctl[{extras}]"\n')
    assert not (tmp_path / ".grctl").exists()


@pytest.mark.parametrize("program", ["local", "operator"])
def test_the_error_of_a_missing_program_says_how_to_install_it(
    program: str, grctl: Grctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "find_spec", lambda _name: None)
    done = grctl(program)
    assert done.exit_code == 1
    assert f'pip install "grctl[{program}]"' in done.stderr
