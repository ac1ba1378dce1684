"""`grctl history`: for people, for programs, and followed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.client import Client
from tests.cli.conftest import Grctl, set_status

SINCE = "2026-11-28T12:00:00Z"
COMMIT = {"commit": 1, "at": SINCE, "kind": "start", "handler": "start", "outcome": "completed"}
DONE = {"phase": "Completed", "message": "Completed.", "finishedAt": SINCE, "startedAt": SINCE}
FINISHED = {**DONE, "commits": 1, "history": [COMMIT]}


def finish(grctl: Grctl, kubeconfig: Path) -> None:
    grctl("start", "ProcessOrder", "order-1")
    set_status(kubeconfig, "order-1", FINISHED)


def test_a_history_is_printed_for_people(grctl: Grctl, kubeconfig: Path) -> None:
    finish(grctl, kubeconfig)

    done = grctl("history", "order-1")

    assert (done.exit_code, done.stderr) == (0, "")
    head, created, started, ended = done.stdout.splitlines()
    assert head.split() == ["TIME", "(UTC)", "#", "WHAT", "HOW"]
    assert created.endswith("created    a run of ProcessOrder")
    assert started == "2026-11-28 12:00:00   1   start      completed"
    assert ended == "2026-11-28 12:00:00       finished   Completed."


def test_a_history_is_a_list_for_programs(grctl: Grctl, kubeconfig: Path) -> None:
    finish(grctl, kubeconfig)

    items = json.loads(grctl("history", "order-1", "-o", "json").stdout)

    assert [each["kind"] for each in items] == ["created", "start", "finished"]
    assert items[1] == {
        "kind": "start",
        "at": SINCE,
        "text": "completed",
        "commit": 1,
        "handler": "start",
        "missing": 0,
    }
    assert yaml.safe_load(grctl("history", "order-1", "-o", "yaml").stdout) == items


@pytest.mark.usefixtures("kubeconfig")
def test_the_history_of_no_run_is_an_error(grctl: Grctl) -> None:
    for arguments in (("order-1",), ("order-1", "--follow")):
        done = grctl("history", *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "There is no run of 'order-1' in namespace 'default'" in done.stderr


@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_a_finished_run_is_followed_to_its_end(grctl: Grctl, kubeconfig: Path, output: str) -> None:
    finish(grctl, kubeconfig)

    printed = grctl("history", "order-1", "--follow", "-o", output).stdout

    kinds = ["created", "start", "finished"]
    if output == "json":
        assert [json.loads(line)["kind"] for line in printed.splitlines()] == kinds
    elif output == "yaml":
        assert [each["kind"] for each in yaml.safe_load_all(printed)] == kinds
    else:
        assert [line.split()[-1] for line in printed.splitlines()[2:]] == [
            "completed",
            "Completed.",
        ]


def test_a_run_is_followed_until_it_ends(
    grctl: Grctl, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grctl("start", "ProcessOrder", "order-1")
    get_history = Client.get_history

    def finishing(self: Client, workflow_id: str) -> Any:
        """Return a history whose run finishes once its first item was printed."""
        found = get_history(self, workflow_id)

        class Finishing:
            async def follow(self) -> Any:
                async for item in found.follow():
                    yield item
                    if item.kind == "created":
                        await asyncio.to_thread(set_status, kubeconfig, "order-1", FINISHED)

        return Finishing()

    monkeypatch.setattr(Client, "get_history", finishing)

    lines = grctl("history", "order-1", "--follow").stdout.splitlines()

    assert lines[-1].endswith("Completed.")
    assert len(lines) == 4
