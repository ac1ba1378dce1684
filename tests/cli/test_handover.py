import subprocess
import sys

import pytest

from grctl.cli import handover
from tests.cli.conftest import Grctl


@pytest.mark.parametrize("program", ["local", "operator"])
def test_the_program_takes_over_with_its_own_flags(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grctl.cli", program, "--help"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.startswith(f"usage: grctl {program}")


@pytest.mark.parametrize("program", ["local", "operator"])
def test_a_program_that_is_not_installed_is_told_with_how_to_get_it(
    program: str, grctl: Grctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "find_spec", lambda _name: None)
    done = grctl(program)
    assert done.exit_code == 1
    assert f'pip install "grctl[{program}]"' in done.stderr
