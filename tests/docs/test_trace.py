"""The worked trace of docs/architecture.md is what really happens, object by object.

The page's uids, ids and resourceVersions are names: each stands for one real value, the same one in
every block. Moments only have to be moments. A block may leave out fields, but not items of a list.
"""

import ast
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from grctl.kube import EVENTS, RUNS
from grctl_operator.engine import Decision
from tests.docs.pages import ROOT, blocks_of
from tests.docs.recording import Json, Recording
from tests.examples.conftest import staged

PAGE = ROOT / "docs" / "architecture.md"
SECTION = "## One event through every room"
NAMING = frozenset(
    {"id", "uid", "runUid", "eventUid", "base", "lastExecution", "resourceVersion", "execution"}
)
"""Fields whose value is a name of the page's own."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass
class Names:
    """Which real value each of the page's names stands for."""

    real: dict[str, str] = field(default_factory=dict)

    def fits(self, shown: Any, real: Any, key: str = "") -> bool:
        """Whether a value of the page is a real one. Learns the names that it did not know."""
        if isinstance(shown, dict):
            return isinstance(real, dict) and all(
                name in real and self.fits(each, real[name], name) for name, each in shown.items()
            )
        if isinstance(shown, list):
            return (
                isinstance(real, list)
                and len(shown) == len(real)
                and all(map(self.fits, shown, real))
            )
        if key in NAMING:
            return self._names(shown, real)
        if isinstance(shown, str) and MOMENT.fullmatch(shown):
            return MOMENT.fullmatch(real) is not None
        return bool(shown == real and type(shown) is type(real))

    def _names(self, shown: str, real: str) -> bool:
        known = self.real.setdefault(shown, real)
        return known == real and list(self.real.values()).count(real) == 1


def section_of(text: str, heading: str) -> str:
    """Return the section under a heading."""
    return text.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]


def order_workflow() -> Any:
    """Return the workflow of the README."""
    block = next(blocks_of(ROOT / "README.md", "## A workflow, and its event"))
    names: dict[str, Any] = {"__name__": "orders"}
    exec(compile(block.text, block.place, "exec"), names)  # noqa: S102
    return names["order"]


def shown_objects() -> list[Json]:
    """Return the objects and messages of the trace, in the page's order."""
    return [yaml.safe_load(block.text) for block in blocks_of(PAGE, SECTION)]


async def recorded(directory: Path) -> list[Json]:
    """Run the story of the trace. Return what it shows, in the order in which it happened."""
    recording = Recording()
    runs, events = RUNS.path("default"), EVENTS.path("default")
    async with (
        staged(directory, order_workflow(), through=recording.relaying) as stage,
        recording.watching(stage.api, runs, recording.runs),
        recording.watching(stage.api, events, recording.events),
    ):
        await stage.client.start_workflow(
            workflow_type="ProcessOrder",
            workflow_id="order-abc",
            workflow_input={"order_id": "abc"},
        )
        await recording.until(lambda now: now.has_run("WaitEvent"))
        before = await stage.api.get(RUNS.path("default", "order-abc"))

        recording.hold_outcomes()
        await stage.client.send(
            workflow_id="order-abc", event_name="approve", name="order-abc-approve"
        )
        await recording.until(lambda now: now.has_message("outcome", "approve"))
        created = await stage.api.get(EVENTS.path("default", "order-abc-approve"))
        meanwhile = await stage.api.get(RUNS.path("default", "order-abc"))
        assert meanwhile["status"]["commits"] == before["status"]["commits"]

        recording.pass_outcomes()
        await recording.until(lambda now: now.has_event("Processed"))
        settled = await stage.api.get(EVENTS.path("default", "order-abc-approve"))
        after = await stage.api.get(RUNS.path("default", "order-abc"))
    messages = [recording.message(kind, "approve") for kind in ("execute", "outcome")]
    return [before, created, *messages, after, settled]


async def test_each_object_of_the_trace_is_a_real_one(tmp_path: Path) -> None:
    names = Names()
    shown, real = shown_objects(), await recorded(tmp_path)
    assert len(shown) == len(real)
    for on_page, happened in zip(shown, real, strict=True):
        assert names.fits(on_page, happened), f"{on_page}\n is not \n{happened}"


async def test_the_writes_come_in_the_order_of_the_trace(tmp_path: Path) -> None:
    before, created, _, _, after, settled = await recorded(tmp_path)
    versions = [
        int(each["metadata"]["resourceVersion"]) for each in (before, created, after, settled)
    ]
    assert versions == sorted(versions)


def test_the_loop_of_the_page_uses_what_a_decision_has() -> None:
    [loop] = [block for block in blocks_of(PAGE, "## The idea") if block.kind == "python"]
    used = {
        node.attr
        for node in ast.walk(ast.parse(loop.text))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "decision"
    }
    assert {"before", "status", "after"} <= used
    assert used <= {each.name for each in fields(Decision)}


def test_each_room_and_each_test_of_the_page_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:operator|sdk|tests)/[\w/]+(?:\.py)?)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_each_file_to_read_first_is_in_its_room() -> None:
    rooms = section_of(PAGE.read_text(encoding="utf-8"), "## Where things are")
    rows = re.findall(r"^\| (`[^|]+) \| [^|]+ \| ([^|]+) \|$", rooms, re.MULTILINE)
    named = [
        (re.findall(r"`([^`]+)`", room), re.findall(r"`([^`]+)`", file)) for room, file in rows
    ]
    assert len(named) > 10
    for folders, files in named:
        for folder, file in zip(folders, files, strict=False):
            assert (ROOT / folder / file).is_file(), f"{folder}/{file}"
