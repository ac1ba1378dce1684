"""Who may send, who may see, who may execute: by the cluster's own rights and no others."""

import pytest

from e2e.helm import WORKER
from e2e.place import Place
from e2e.settings import ROOT
from tests.lab.kubectl import Json, Kubectl

SENDER = """
import asyncio, json
from grctl.client import Client
from grctl.kube import ApiError

async def main():
    async with Client() as client:
        sent = await client.send(workflow_id="order-abc", event_name="approve")
    said = ""
    try:
        async with Client(namespace="default") as elsewhere:
            await elsewhere.send(workflow_id="order-abc", event_name="approve")
    except ApiError as error:
        said = str(error)
    print(json.dumps({"name": sent.name, "elsewhere": said}))

asyncio.run(main())
"""


def event(name: str) -> Json:
    return {
        "apiVersion": "grctl.dev/v1alpha1",
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": {"workflowId": "order-abc", "eventName": "approve"},
    }


async def account(place: Place, name: str, *roles: str) -> Kubectl:
    """Make a ServiceAccount with roles in this namespace."""
    await place.kubectl("create", "serviceaccount", name)
    for role in roles:
        line = ("create", "rolebinding", f"{name}-{role}", f"--clusterrole={role}")
        await place.kubectl(*line, f"--serviceaccount={place.namespace}:{name}")
    return place.kubectl.acting_as(name)


async def test_a_sender_in_a_pod_may_send_in_its_namespace_only(place: Place) -> None:
    await account(place, "sender", "grctl-sender")

    printed = await place.in_pod(SENDER, "sender")

    assert "forbidden" in printed["elsewhere"]
    await place.kubectl("get", f"wfe/{printed['name']}")


async def test_who_may_not_send_is_told_so_and_nothing_arrives(place: Place) -> None:
    nobody = await account(place, "nobody")

    said = await nobody("create", "-f", "-", stdin=event("approve"), fails=True)

    assert "forbidden" in said
    assert 'cannot create resource "workflowevents"' in said
    assert (await place.kubectl.json("wfe"))["items"] == []


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", [("get", "wfr"), ("list", "wfe")], [("create", "wfe"), ("create", "wfr")]),
        ("edit", [("create", "wfe"), ("create", "wfr"), ("delete", "wfr")], [("execute", "wfr")]),
        ("admin", [("execute", "wfr"), ("create", "wfe")], [("update", "wfr/status")]),
        ("grctl-sender", [("create", "wfe")], [("create", "wfr"), ("get", "wfr")]),
    ],
)
async def test_kubernetes_own_roles_hold_ours(
    place: Place, role: str, may: list[tuple[str, str]], may_not: list[tuple[str, str]]
) -> None:
    person = await account(place, "person", role)
    names = {"wfr": "workflowruns.grctl.dev", "wfe": "workflowevents.grctl.dev"}

    async def can(verb: str, what: str) -> bool:
        kind, _, subresource = what.partition("/")
        line = ["auth", "can-i", verb, names[kind]]
        line += [f"--subresource={subresource}"] if subresource else []
        allowed = (verb, what) in may
        return (await person(*line, fails=not allowed)).strip().startswith("yes")

    assert [each for each in may if not await can(*each)] == []
    assert [each for each in may_not if await can(*each)] == []


async def test_who_may_merely_create_pods_is_given_no_run(place: Place) -> None:
    account = {"create": False, "name": "default"}  # the chart then brings no Role
    await place.helm.install(WORKER, "intruder", place.worker_values(serviceAccount=account))
    order = ROOT / "examples" / "manifests" / "order.yaml"
    await place.kubectl("apply", "-f", str(order))

    said = await place.until_logged("deployment/intruder", "create role")

    assert "--verb=execute" in said
    assert "--resource-name=ProcessOrder" in said
    run = await place.run("order-abc")
    assert (run["status"]["commits"], run["status"].get("step")) == (0, None)
    (pod,) = (await place.kubectl.json("pods"))["items"]
    assert pod["status"]["containerStatuses"][0]["ready"] is False


async def test_a_worker_that_is_granted_its_type_comes_in_by_itself(place: Place) -> None:
    account = {"create": False, "name": "default"}
    await place.helm.install(WORKER, "late", place.worker_values(serviceAccount=account))
    await place.until_logged("deployment/late", "create role")

    role = ("create", "role", "execute", "--verb=execute", "--resource=workflowruns.grctl.dev")
    await place.kubectl(*role, "--resource-name=ProcessOrder")
    binding = ("create", "rolebinding", "execute", "--role=execute")
    await place.kubectl(*binding, f"--serviceaccount={place.namespace}:default")

    await place.kubectl.rolled_out("late")
