"""Every block of the guide runs, and prints what the page says."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks_of
from tests.docs.story import run_page

GUIDE = ROOT / "docs" / "guide"
PAGES = (
    "events",
    "waiting",
    "order-and-timing",
    "payloads",
    "lifecycle",
    "failures",
    "promises",
    "tasks",
    "coming-from-grctl",
    "timers",
)


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_of_the_guide_runs_as_it_is_written(name: str, tmp_path: Path) -> None:
    blocks = list(blocks_of(GUIDE / f"{name}.md"))
    assert {"python", "console"} <= {block.kind for block in blocks}
    await run_page(name, blocks, tmp_path)


async def test_the_readmes_workflow_runs_as_it_is_written(tmp_path: Path) -> None:
    blocks = list(blocks_of(ROOT / "README.md", "## A workflow, and its event"))
    await run_page("orders", blocks, tmp_path)
