"""The cluster's own rights decide who may send, see and execute."""

import pytest

from e2e.helm import WORKER
from e2e.lab import ClusterLab
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


async def account(lab: ClusterLab, name: str, *roles: str) -> Kubectl:
    """Make a ServiceAccount with roles in this namespace."""
    await lab.kubectl("create", "serviceaccount", name)
    for role in roles:
        line = ("create", "rolebinding", f"{name}-{role}", f"--clusterrole={role}")
        await lab.kubectl(*line, f"--serviceaccount={lab.namespace}:{name}")
    return lab.kubectl.acting_as(name)


async def test_a_sender_in_a_pod_may_send_in_its_namespace_only(lab: ClusterLab) -> None:
    await account(lab, "sender", "grctl-sender")

    printed = await lab.in_pod(SENDER, "sender")

    assert "forbidden" in printed["elsewhere"]
    await lab.kubectl("get", f"wfe/{printed['name']}")


async def test_an_account_without_the_right_to_send_is_refused(lab: ClusterLab) -> None:
    nobody = await account(lab, "nobody")

    said = await nobody("create", "-f", "-", stdin=event("approve"), fails=True)

    assert "forbidden" in said
    assert 'cannot create resource "workflowevents"' in said
    assert (await lab.kubectl.json("wfe"))["items"] == []


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", [("get", "wfr"), ("list", "wfe")], [("create", "wfe"), ("create", "wfr")]),
        ("edit", [("create", "wfe"), ("create", "wfr"), ("delete", "wfr")], [("execute", "wfr")]),
        ("admin", [("execute", "wfr"), ("create", "wfe")], [("update", "wfr/status")]),
        ("grctl-sender", [("create", "wfe")], [("create", "wfr"), ("get", "wfr")]),
    ],
)
async def test_the_roles_of_kubernetes_include_ours(
    lab: ClusterLab, role: str, may: list[tuple[str, str]], may_not: list[tuple[str, str]]
) -> None:
    person = await account(lab, "person", role)
    names = {"wfr": "workflowruns.grctl.dev", "wfe": "workflowevents.grctl.dev"}

    async def can(verb: str, what: str) -> bool:
        kind, _, subresource = what.partition("/")
        line = ["auth", "can-i", verb, names[kind]]
        line += [f"--subresource={subresource}"] if subresource else []
        allowed = (verb, what) in may
        return (await person(*line, fails=not allowed)).strip().startswith("yes")

    assert [each for each in may if not await can(*each)] == []
    assert [each for each in may_not if await can(*each)] == []


async def test_a_pod_without_the_right_to_execute_is_given_no_run(lab: ClusterLab) -> None:
    account = {"create": False, "name": "default"}  # the chart then brings no Role
    await lab.helm.install(WORKER, "intruder", lab.worker_values(serviceAccount=account))
    order = ROOT / "examples" / "manifests" / "order.yaml"
    await lab.kubectl("apply", "-f", str(order))

    said = await lab.until_logged("deployment/intruder", "create role")

    assert "--verb=execute" in said
    assert "--resource-name=ProcessOrder" in said
    run = await lab.run("order-abc")
    assert (run["status"]["commits"], run["status"].get("step")) == (0, None)
    (pod,) = (await lab.kubectl.json("pods"))["items"]
    assert pod["status"]["containerStatuses"][0]["ready"] is False


async def test_a_worker_that_is_granted_its_type_connects_by_itself(lab: ClusterLab) -> None:
    account = {"create": False, "name": "default"}
    await lab.helm.install(WORKER, "late", lab.worker_values(serviceAccount=account))
    await lab.until_logged("deployment/late", "create role")

    role = ("create", "role", "execute", "--verb=execute", "--resource=workflowruns.grctl.dev")
    await lab.kubectl(*role, "--resource-name=ProcessOrder")
    binding = ("create", "rolebinding", "execute", "--role=execute")
    await lab.kubectl(*binding, f"--serviceaccount={lab.namespace}:default")

    await lab.kubectl.wait_for_rollout("late")
