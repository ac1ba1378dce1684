"""The logs at level debug: each event can be followed, and no payload is logged."""

import json
from typing import Any

from tests.lab.lab import Lab
from tests.lab.processes import Process
from tests.lab.waiting import eventually

SECRET = "xk7-not-for-logs"
VERBOSE = ("--log-level", "debug", "--log-format", "json")

Json = dict[str, Any]


def records(process: Process) -> list[Json]:
    return [json.loads(line) for line in process.log.splitlines() if line.startswith("{")]


def said(process: Process) -> list[str]:
    return [each["message"] for each in records(process)]


async def test_each_event_is_followed_by_its_execution_and_no_payload_is_logged(
    lab: Lab,
) -> None:
    operator, worker = await lab.start_both(*VERBOSE)
    handle = await lab.client.start_workflow(workflow_type="Append", workflow_id="a")
    sent = await handle.send("append", SECRET)
    unfit = await handle.send("number", SECRET)
    lab.recorder.unfit.add(unfit.name)
    await handle.send("unheard_of", SECRET)
    await handle.send("done")
    await eventually(lambda: said(operator).count("settled") == 4, "all four are settled")
    story = [each for each in records(operator) if each.get("event") == sent.name]
    assert [each["message"] for each in story] == ["dispatched", "committed", "settled"]
    assert len({each["execution"] for each in story}) == 1
    assert {each["run"] for each in story} == {f"{lab.namespace}/a"}
    assert [each.get("attempt") for each in story] == [1, 1, 1]
    assert [each.get("commits") for each in story] == [None, 2, 2]
    assert SECRET not in operator.log + worker.log
    assert SECRET not in await lab.kubectl("get", "events", "-o", "yaml")
