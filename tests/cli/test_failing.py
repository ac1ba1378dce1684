"""The message that a person reads when a command fails."""

import pytest
import typer

from grctl.cli.failing import run
from grctl.client import WorkflowFailedError
from grctl.kube import UnreachableError, UntrustedServerError
from grctl.kube.errors import api_error

FORBIDDEN = {
    "reason": "Forbidden",
    "message": 'workflowevents.grctl.dev is forbidden: User "mary" cannot create resource'
    ' "workflowevents" in API group "grctl.dev" in the namespace "shop"',
}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UnreachableError("GET https://h/x: refused"), "GET https://h/x: refused. Is the Kub"),
        (UntrustedServerError("GET https://h/x: bad"), "another server than the kubeconfig's"),
        (api_error(401, {"message": "Unauthorized"}), "does not accept these credentials (401"),
        (api_error(403, FORBIDDEN), 'User "mary" cannot create resource "workflowevents"'),
        (api_error(503, "no healthy upstream"), "no healthy upstream"),
        (api_error(502, ""), "502"),
        (TimeoutError("still active after 5 s"), "still active after 5 s"),
    ],
)
def test_an_expected_error_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        run(work())

    written = capsys.readouterr().err
    assert ended.value.exit_code == 1
    assert written.startswith("grctl: ")
    assert message in written
    assert written.count("\n") == 1


def test_control_characters_in_an_error_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        raise WorkflowFailedError("order-1 failed: ValueError: \x1b[2J\x9bK\nsecond line\r")

    with pytest.raises(typer.Exit):
        run(work())

    written = capsys.readouterr().err
    assert written == "grctl: order-1 failed: ValueError: \\x1b[2J\\x9bK second line\\r\n"


def test_an_interrupt_is_exit_code_130_without_a_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        run(work())

    assert (ended.value.exit_code, capsys.readouterr().err) == (130, "")
