"""What the operator does beside running handlers, with the rights of the chart."""

from e2e.lab import ClusterLab, Json
from grctl.kube import EVENTS, RUNS

ABSENT = "00000000-0000-0000-0000-000000000000"


def run(name: str, **spec: object) -> Json:
    return {
        "apiVersion": "grctl.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": name},
        "spec": {"workflow": {"type": "Append"}, **spec},
    }


def event(name: str, workflow_id: str, event_name: str = "append", **spec: object) -> Json:
    return {
        "apiVersion": "grctl.dev/v1alpha1",
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": {"workflowId": workflow_id, "eventName": event_name, **spec},
    }


async def test_a_finished_run_is_deleted_after_its_ttl(lab: ClusterLab) -> None:
    await lab.flows()
    await lab.kubectl.apply(
        run("brief", ttlSecondsAfterFinished=1), event("end", "brief", "finish")
    )

    await lab.until_gone(RUNS, "brief")

    await lab.until_gone(EVENTS, "end")


async def test_settled_events_beyond_keep_events_are_deleted(lab: ClusterLab) -> None:
    await lab.flows()
    await lab.kubectl.apply(run("short", keepEvents=1))
    for number in range(3):
        await lab.kubectl.apply(event(f"number-{number}", "short", payload=number))
        await lab.until_settled(f"number-{number}")

    await lab.until_gone(EVENTS, "number-0")

    await lab.until_gone(EVENTS, "number-1")
    assert (await lab.until_settled("number-2"))["sequence"] == 3


async def test_a_labelled_event_keeps_its_place(lab: ClusterLab) -> None:
    await lab.kubectl.apply(run("labelled"))
    for number in range(2):
        await lab.kubectl.apply(event(f"number-{number}", "labelled", payload=number))
    await lab.kubectl("label", "wfe/number-0", "team=blue")
    await lab.until(EVENTS, "number-0", lambda item: (item or {}).get("status", {}).get("place"))

    await lab.flows()

    found = await lab.until_processed("labelled", 2)
    assert found["status"]["store"]["payloads"] == [0, 1]


async def test_an_event_for_a_run_that_is_gone_is_rejected(lab: ClusterLab) -> None:
    await lab.kubectl.apply(event("late", "gone", runUid=ABSENT))

    assert (await lab.until_settled("late"))["reason"] == "RunGone"


async def test_a_repeated_rejection_is_counted_in_one_core_event(lab: ClusterLab) -> None:
    await lab.flows()
    await lab.kubectl.apply(run("mistyped"))
    for number in range(2):
        await lab.kubectl.apply(event(f"mistyped-{number}", "mistyped", "apend"))
        await lab.until_settled(f"mistyped-{number}")

    told = await lab.until_core_event("mistyped", "Rejected", count=2)

    assert "append" in told["message"]
