"""Names and arguments of the first grctl, by which our functions and modules answer too."""

import importlib
import re
from typing import Any

import pytest

from grctl.dialect import also_called, without


@also_called(id="workflow_id", input="workflow_input")
async def start(workflow_id: str, workflow_input: Any = None) -> tuple[str, Any]:
    """Start a run."""
    return workflow_id, workflow_input


class Door:
    @without(connection="leave it out")
    def __init__(self, url: str = "") -> None:
        self.url = url


async def test_an_argument_is_taken_under_both_names() -> None:
    given: dict[str, Any] = {"id": "order-1", "input": 3}
    assert await start(**given) == ("order-1", 3)
    assert await start("order-1", workflow_input=3) == ("order-1", 3)
    assert start.__doc__ == "Start a run."


async def test_an_argument_that_is_passed_under_both_names_is_refused() -> None:
    both: dict[str, Any] = {"id": "order-1", "workflow_id": "order-1"}
    told = r"start\(\) got 'workflow_id' twice: 'id' is its name in the first grctl"
    with pytest.raises(TypeError, match=told):
        await start(**both)


def test_an_argument_that_does_not_exist_here_says_what_to_do() -> None:
    given: dict[str, Any] = {"connection": object()}
    with pytest.raises(TypeError, match=r"^Door\(\) has no argument 'connection': leave it out\.$"):
        Door(**given)
    assert Door("http://operator").url == "http://operator"


ELSEWHERE = [
    ("grctl.models", "DirectiveKind", "compare the class: isinstance(directive, grctl.models."),
    ("grctl.models", "RunStateKind", "write `from grctl.models import RunPhase`"),
    ("grctl.models.errors", "WorkflowTypeNotRegisteredError", "a run that no worker serves waits"),
    ("grctl.exec.kv_manager", "StoreKeyNotFoundError", "write `from grctl.worker import Store"),
    (
        "grctl.nats",
        "Connection",
        "there is no NATS. `Client()` finds the Kubernetes API as kubectl",
    ),
    ("grctl.nats.connection", "Connection", "there is no NATS. `Client()` finds"),
    ("grctl.nats", "Publisher", "there is no NATS. Send an event with client.send"),
    ("grctl.nats.publisher", "Publisher", "there is no NATS. Send an event with client.send"),
    ("grctl.worker", "ChildOutcome", "there are no child workflows yet. Start another run"),
    ("grctl.worker.child", "ChildOutcome", "there are no child workflows yet. Start another run"),
    ("grctl.worker.codec", "CodecRegistry", "pydantic makes JSON of values"),
    ("grctl.workflow", "WorkflowHandle", "write `from grctl.client import WorkflowHandle`"),
]


@pytest.mark.parametrize(("module", "name", "told"), ELSEWHERE)
def test_a_name_that_does_not_exist_here_is_an_import_error_that_says_what_to_use(
    module: str, name: str, told: str
) -> None:
    space: dict[str, Any] = {}
    with pytest.raises(ImportError, match=re.escape(f"{module} has no {name}: {told}")):
        exec(f"from {module} import {name}", space)  # noqa: S102


@pytest.mark.parametrize("module", sorted({module for module, _, _ in ELSEWHERE}))
def test_a_name_that_no_grctl_has_is_an_ordinary_error(module: str) -> None:
    loaded = importlib.import_module(module)
    assert not hasattr(loaded, "Nothing")
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec(f"from {module} import Nothing")  # noqa: S102


@pytest.mark.parametrize("told", [told for _, _, told in ELSEWHERE if told.startswith("write")])
def test_an_import_that_an_error_names_exists(told: str) -> None:
    found = next(each for each in ELSEWHERE if each[2] == told)
    with pytest.raises(ImportError) as raised:
        exec(f"from {found[0]} import {found[1]}")  # noqa: S102
    named = re.search("`(from .*)`", str(raised.value))
    assert named
    exec(named[1], {})  # noqa: S102
