"""What the operator does beside running handlers, with its own rights and no others."""

from e2e.place import Json, Place
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


async def test_a_finished_run_goes_when_nobody_wants_to_keep_it(place: Place) -> None:
    await place.flows()
    await place.kubectl.apply(
        run("brief", ttlSecondsAfterFinished=1), event("end", "brief", "finish")
    )

    await place.until_gone(RUNS, "brief")

    await place.until_gone(EVENTS, "end")


async def test_settled_events_go_beyond_those_that_the_run_keeps(place: Place) -> None:
    await place.flows()
    await place.kubectl.apply(run("short", keepEvents=1))
    for number in range(3):
        await place.kubectl.apply(event(f"number-{number}", "short", payload=number))
        await place.until_settled(f"number-{number}")

    await place.until_gone(EVENTS, "number-0")

    await place.until_gone(EVENTS, "number-1")
    assert (await place.until_settled("number-2"))["sequence"] == 3


async def test_an_event_that_somebody_labels_keeps_its_place(place: Place) -> None:
    await place.kubectl.apply(run("labelled"))
    for number in range(2):
        await place.kubectl.apply(event(f"number-{number}", "labelled", payload=number))
    await place.kubectl("label", "wfe/number-0", "team=blue")
    await place.until(EVENTS, "number-0", lambda item: (item or {}).get("status", {}).get("place"))

    await place.flows()

    found = await place.until_processed("labelled", 2)
    assert found["status"]["store"]["payloads"] == [0, 1]


async def test_an_event_for_a_run_that_is_gone_is_rejected(place: Place) -> None:
    await place.kubectl.apply(event("late", "gone", runUid=ABSENT))

    assert (await place.until_settled("late"))["reason"] == "RunGone"


async def test_what_happens_again_is_counted_and_not_told_again(place: Place) -> None:
    await place.flows()
    await place.kubectl.apply(run("mistyped"))
    for number in range(2):
        await place.kubectl.apply(event(f"mistyped-{number}", "mistyped", "apend"))
        await place.until_settled(f"mistyped-{number}")

    told = await place.until_core_event("mistyped", "Rejected", count=2)

    assert "append" in told["message"]
