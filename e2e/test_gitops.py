"""What a GitOps tool does again and again changes nothing, on a real API server too."""

import pytest

from e2e.place import Place
from e2e.settings import ROOT
from grctl.kube import EVENTS, RUNS

LAYOUT = ROOT / "examples" / "gitops" / "orders"
RUN, APPROVE = (str(LAYOUT / name) for name in ("order-abc.yaml", "order-abc-approve.yaml"))
SERVER_SIDE = ("apply", "--server-side", "-f")


async def version(place: Place, what: str) -> str:
    found: str = (await place.kubectl.json(what))["metadata"]["resourceVersion"]
    return found


async def test_a_waiting_run_that_is_applied_again_does_not_change(place: Place) -> None:
    await place.worker()
    await place.kubectl(*SERVER_SIDE, RUN)
    await place.until_phase("order-abc", "WaitEvent")
    before = await version(place, "wfr/order-abc")

    for _ in range(2):
        await place.kubectl(*SERVER_SIDE, RUN)

    assert await version(place, "wfr/order-abc") == before
    assert await place.kubectl("diff", "--server-side", "-f", RUN) == ""


async def test_a_waiting_event_that_is_applied_again_keeps_its_place(place: Place) -> None:
    for _ in range(2):
        await place.kubectl(*SERVER_SIDE, APPROVE)
    await place.until(
        EVENTS, "order-abc-approve", lambda item: (item or {}).get("status", {}).get("place")
    )
    before = await version(place, "wfe/order-abc-approve")
    await place.client.send(workflow_id="order-abc", event_name="reject")

    for _ in range(2):
        await place.kubectl(*SERVER_SIDE, APPROVE)

    assert await version(place, "wfe/order-abc-approve") == before
    assert await place.kubectl("diff", "--server-side", "-f", APPROVE) == ""
    await place.worker()
    await place.kubectl(*SERVER_SIDE, RUN)
    run = await place.until_phase("order-abc", "Completed")
    assert run["status"]["result"]["status"] == "fulfilled"  # approved, not rejected


@pytest.mark.parametrize("flags", [(), ("--server-side",)])
async def test_what_has_ended_and_is_applied_again_does_not_change(
    place: Place, flags: tuple[str, ...]
) -> None:
    await place.worker()
    apply = ("apply", *flags, "-f", RUN, "-f", APPROVE)
    await place.kubectl(*apply)
    await place.until_phase("order-abc", "Completed")
    await place.until_settled("order-abc-approve")
    before = [await version(place, what) for what in ("wfr/order-abc", "wfe/order-abc-approve")]

    await place.kubectl(*apply)

    after = [await version(place, what) for what in ("wfr/order-abc", "wfe/order-abc-approve")]
    assert after == before
    assert await place.kubectl("diff", *flags, "-f", RUN, "-f", APPROVE) == ""


async def test_what_is_pruned_is_gone(place: Place) -> None:
    await place.worker()
    await place.kubectl("apply", "-f", RUN, "-f", APPROVE)
    await place.until_phase("order-abc", "Completed")

    # A run takes its settled events along: who prunes may find one gone already.
    await place.kubectl("delete", "--ignore-not-found", "-f", RUN, "-f", APPROVE)

    await place.until_gone(RUNS, "order-abc")
    await place.until_gone(EVENTS, "order-abc-approve")
