"""Run a page: its workflows have a worker, its code an event loop, its commands a shell."""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

from pydantic import TypeAdapter

from grctl.models.base import Duration
from grctl.workflow import Workflow
from tests.docs.pages import Block, commands_of, says
from tests.examples.conftest import MovableClock, Stage, staged
from tests.news import without_news

COMMAND_DEADLINE_S = 90.0  # for one command on a busy machine
STATE_DEADLINE_S = 60.0  # for a state to come that a page shows
LOOKS = ("kubectl get ", "grctl list", "grctl describe ", "grctl history ")
PROGRAMS = Path(sys.executable).parent

Names = dict[str, Any]


@dataclass
class Story:
    """A page that is being run."""

    stage: Stage
    directory: Path
    clock: MovableClock
    names: Names
    printed: str = ""
    files: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    async def run(self, block: Block) -> None:
        """Run one block."""
        match block.kind:
            case "python":
                await self._act(block)
            case "text":
                assert says(block.text, self.printed), f"{block.place} printed:\n{self.printed}"
            case "yaml":
                await self._check_file(block)
            case "console":
                for command, told in commands_of(block.text):
                    await self._run_command(command, told, block.place)
            case "later":
                await self._move_clock(block.text)

    async def _act(self, block: Block) -> None:
        if block.defines:
            return  # it ran before everything else
        with _output() as printed:
            done = eval(_compiled(block, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), self.names)  # noqa: S307
            if inspect.isawaitable(done):
                await asyncio.wait_for(done, COMMAND_DEADLINE_S)
        self.printed = printed.getvalue()

    async def _check_file(self, block: Block) -> None:
        self.files += 1
        first = block.text.splitlines()[0]
        name = first[2:] if first.endswith(".yaml") else f"{self.files}.yaml"
        (self.directory / name).write_text(block.text, encoding="utf-8")
        command = f"kubectl create --dry-run=server -o name -f {name}"
        await self._run_command(command, "...", block.place)

    async def _run_command(self, command: str, told: str, place: str) -> None:
        """Run a command. Repeat one that only looks until it shows what the page shows."""
        deadline = asyncio.get_running_loop().time() + STATE_DEADLINE_S
        printed = await self._output_of(command)
        while command.startswith(LOOKS) and not says(told, printed):
            if asyncio.get_running_loop().time() > deadline:
                break
            printed = await self._output_of(command)
        assert says(told, printed), f"{place}: `{command}` printed:\n{printed}"

    async def _output_of(self, command: str) -> str:
        process = await asyncio.create_subprocess_shell(
            command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.directory,
            env=os.environ | self.environment,
        )
        async with asyncio.timeout(COMMAND_DEADLINE_S):
            return without_news((await process.communicate())[0].decode())

    async def _move_clock(self, length: str) -> None:
        """Move the clock ahead, and make the operator see it."""
        self.clock.ahead += TypeAdapter(Duration).validate_python(length)
        await self.stage.operator.api.get("/version")


async def run_page(page: str, blocks: list[Block], directory: Path) -> None:
    """Run the blocks of a page, one after the other."""
    names: Names = {"__name__": page}
    for block in blocks:
        if block.defines:
            exec(_compiled(block), names)  # noqa: S102
    workflows = {id(each): each for each in names.values() if isinstance(each, Workflow)}
    clock = MovableClock()
    async with staged(directory, *workflows.values(), clock=clock) as stage:
        story = Story(stage, directory, clock, names, environment=_environment(stage, directory))
        with _environ(story.environment):
            for block in blocks:
                await story.run(block)


def _compiled(block: Block, flags: int = 0) -> CodeType:
    code = compile(block.text, block.place, "exec", flags=flags)
    assert isinstance(code, CodeType)
    return code


def _environment(stage: Stage, directory: Path) -> dict[str, str]:
    return {
        "KUBECONFIG": str(stage.kubeconfig),
        "HOME": str(directory),  # kubectl caches there what it discovers
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "NO_COLOR": "1",
    }


@contextmanager
def _environ(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _output() -> Iterator[io.StringIO]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        yield printed
