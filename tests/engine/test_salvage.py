"""Reading a run whose status a person wrote: what fits is kept, and the rest is named."""

from typing import Any

import pytest

from grctl.models.salvage import salvage, what_is_broken
from grctl_operator.engine.reading import read_run

SINCE = "2026-11-28T12:00:00Z"
ENTRY = {"commit": 1, "at": SINCE, "handler": "start", "kind": "start", "outcome": "waits"}


def run(**status: Any) -> dict[str, Any]:
    metadata = {"name": "order-1", "namespace": "shop", "uid": "u1", "resourceVersion": "7"}
    return {"metadata": metadata, "spec": {"workflow": {"type": "Order"}}, "status": status}


@pytest.mark.parametrize(
    "status",
    [
        {"history": [1]},
        {"history": "yesterday"},
        {"history": [{"commit": 1}]},
        {"conditions": [1, None]},
        {"conditions": {"type": "Succeeded"}},
        {"inbox": [["approve"]]},
        {"startedAt": "0000-01-01T00:00:00Z"},
        {"eventNames": [1]},
    ],
    ids=str,
)
def test_what_is_only_for_people_is_left_out_without_a_word(status: dict[str, Any]) -> None:
    read = read_run(run(phase="WaitEvent", message="Waits.", **status))

    assert (read.status.phase, read.status.message) == ("WaitEvent", "Waits.")
    assert read.unreadable is None


@pytest.mark.parametrize(
    "status",
    [
        {"settled": [1]},
        {"settled": {"uid": "e1"}},
        {"settled": [{"uid": "e1"}]},
        {"phase": "Happy"},
        {"wait": {"since": "0000-01-01T00:00:00Z"}},
        {"wait": {}},
        {"step": {"name": "pay"}},
        {"error": {"type": "E"}},
        {"finishedAt": "9999-12-31T23:59:59-14:00"},
        {"store": [1]},
    ],
    ids=str,
)
def test_what_a_handler_depends_on_is_named_as_missing(status: dict[str, Any]) -> None:
    read = read_run(run(commits=3, **status))

    (name,) = status
    assert (read.unreadable or "").startswith(f"status.{name} cannot be read (")
    assert read.status.commits == 3
    assert "unreadable" not in read.to_json()


def test_of_a_list_the_entries_that_fit_are_kept() -> None:
    made, lost = salvage(run(history=[1, ENTRY, "x"], commits=2), lambda status: status)

    assert made["status"] == {"history": [ENTRY], "commits": 2}
    assert (lost, what_is_broken(lost)) == (("history",), None)
