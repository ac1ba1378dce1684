"""The Lua scripts for Argo CD, run as it runs them: without libraries, with the object as `obj`."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from grctl.models.event import WorkflowEvent

CONFIG = Path(__file__).parent.parent.parent / "examples" / "gitops" / "argocd" / "argocd-cm.yaml"
LIBRARIES = ("string", "table", "io", "os", "math", "require", "package", "debug", "python")

Json = dict[str, Any]

DATA: dict[str, str] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["data"]
ACTIONS = yaml.safe_load(DATA["resource.customizations.actions.grctl.dev_WorkflowRun"])
SCRIPTS = {each["name"]: each["action.lua"] for each in ACTIONS["definitions"]}


def run_lua(script: str, obj: Json) -> Any:
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua = runtime.globals()
    lua.obj = runtime.table_from(obj, recursive=True)
    runtime.execute("getmetatable('').__index = nil")
    for name in LIBRARIES:
        lua[name] = None
    return plain(runtime.execute(script))


def plain(value: Any) -> Any:
    """Return the Python value of a Lua value. A table whose keys count from 1 is a list."""
    if lua51.lua_type(value) != "table":
        return value
    pairs = {key: plain(each) for key, each in value.items()}
    counts = list(pairs) == list(range(1, len(pairs) + 1))
    return list(pairs.values()) if counts and pairs else pairs


def health(obj: Json) -> Json:
    result: Json = run_lua(DATA[f"resource.customizations.health.grctl.dev_{obj['kind']}"], obj)
    return result


def act(name: str, obj: Json) -> Any:
    return run_lua(SCRIPTS[name], obj)


def enabled(obj: Json) -> set[str]:
    offered = run_lua(ACTIONS["discovery.lua"], obj)
    assert offered.keys() == SCRIPTS.keys()
    return {name for name, each in offered.items() if not each["disabled"]}


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("pending", "Progressing", "No worker serves"),
        ("waiting", "Suspended", "Waits for an event: approve, reject"),
        ("completed", "Healthy", ""),
        ("cancelled", "Healthy", ""),
        ("terminated", "Healthy", ""),
        ("failed", "Degraded", "order_id"),
        ("held", "Degraded", "approve failed 4 times. Mend the cause, then: grctl retry waiting."),
        ("pending event", "Progressing", ""),
        ("processed event", "Healthy", "It was handled."),
        ("rejected event", "Degraded", 'no event handler "aprove"'),
    ],
)
def test_the_health_of_each_object_tells_what_a_person_should_do(
    found: dict[str, Json], name: str, status: str, says: str
) -> None:
    shown = health(found[name])

    assert shown["status"] == status
    assert says in shown["message"]


def test_a_run_that_the_operator_has_not_seen_is_progressing(found: dict[str, Json]) -> None:
    fresh = {key: value for key, value in found["waiting"].items() if key != "status"}
    changed = deepcopy(found["completed"])
    changed["metadata"]["generation"] += 1

    assert health(fresh)["status"] == "Progressing"
    assert health(changed)["status"] == "Progressing"


def test_a_restored_run_is_degraded_whatever_its_phase(found: dict[str, Json]) -> None:
    restored = deepcopy(found["waiting"])
    restored["status"]["conditions"].append({"type": "Stalled", "status": "True"})

    assert health(restored)["status"] == "Degraded"


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("waiting", {"approve", "reject", "cancel", "terminate"}),
        ("pending", {"cancel", "terminate"}),
        ("held", {"approve", "reject", "retry", "cancel", "terminate"}),
        ("completed", set()),
        ("failed", set()),
    ],
)
def test_only_actions_that_would_be_handled_are_offered(
    found: dict[str, Json], name: str, offered: set[str]
) -> None:
    assert enabled(found[name]) == offered


@pytest.mark.parametrize("name", ["approve", "reject"])
def test_an_action_sends_an_event_to_the_run_of_this_uid(found: dict[str, Json], name: str) -> None:
    run = found["waiting"]

    (made,) = act(name, run)

    assert made["operation"] == "create"
    event = WorkflowEvent.model_validate(made["resource"])
    assert (event.spec.workflow_id, event.spec.event_name) == ("waiting", name)
    assert event.spec.run_uid == run["metadata"]["uid"]
    assert event.metadata.namespace == run["metadata"]["namespace"]


def test_a_repeated_action_creates_one_event_and_an_action_in_a_later_wait_another(
    found: dict[str, Json],
) -> None:
    later = deepcopy(found["waiting"])
    later["status"]["commits"] += 1

    names = [
        act("approve", run)[0]["resource"]["metadata"]["name"]
        for run in (found["waiting"], found["waiting"], later)
    ]

    assert names[0] == names[1]
    assert names[1] != names[2]


@pytest.mark.parametrize("name", ["cancel", "terminate"])
def test_an_action_ends_the_run_and_changes_nothing_else(found: dict[str, Json], name: str) -> None:
    run = found["waiting"]

    changed = act(name, run)

    assert changed["spec"].pop(name) is True
    assert changed["spec"] == run["spec"]


def test_a_retry_raises_the_counter_above_what_was_seen_and_changes_nothing_else(
    found: dict[str, Json],
) -> None:
    run = deepcopy(found["held"])
    run["status"]["observedRetry"] = 2

    changed = act("retry", run)

    assert changed["spec"].pop("retry") == 3
    assert changed["spec"] == run["spec"]


def test_a_retry_that_was_asked_for_is_not_offered_again(found: dict[str, Json]) -> None:
    run = deepcopy(found["held"])
    run["spec"]["retry"] = 1

    assert "retry" not in enabled(run)
    run["status"]["observedRetry"] = 1
    assert "retry" in enabled(run)
