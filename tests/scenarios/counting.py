"""Requests, counted from both sides: by the operator's metrics, and by the API server.

An embedded API server has an audit log, which names each client. A real one has
`apiserver_request_total`, which does not: only its writes to our resources are counted, and no
other test may run meanwhile (marker `alone`).
"""

import json
from collections import Counter
from collections.abc import Iterator

from grctl.client import WorkflowHandle
from grctl.kube import CORE_EVENTS
from grctl.models import GROUP
from tests.lab.api_server import audit_log_of
from tests.lab.lab import Lab
from tests.lab.metrics import Figures, samples
from tests.lab.waiting import eventually

WRITES = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "APPLY": "patch",
    "DELETE": "delete",
}
"""Verbs as audit logs name them. Deletions of collections are not counted: Kubernetes empties the
namespaces of earlier scenarios at any time. The operator's own figures count what it deletes."""


SHOWN_AFTER_S = "0.25"  # a longer execution is shown to people by one more write
SETTLED = "grctl_events_settled_total"
TOOK = "grctl_dispatch_to_commit_seconds"


async def start_run(
    lab: Lab, workflow_type: str = "Append", event: str = "append", payload: object = 0
) -> WorkflowHandle:
    """Start a run, send its first event, and wait for the lists that a start costs."""
    handle = await lab.client.start_workflow(workflow_type=workflow_type, workflow_id="a")
    await handle.send(event, payload)
    await figures_when(lab, SETTLED, 1)
    # Events are listed for the watch, for the new run, and once for what other operators left.
    lists = {"resource": "workflowevents", "verb": "list"}
    await figures_when(lab, "grctl_api_requests_total", 3, **lists)
    return handle


def was_quick(before: Figures, after: Figures) -> bool:
    """Return whether the one execution in between was committed before a view was due."""
    buckets = [
        each.value(f"{TOOK}_bucket", kind="event", le=SHOWN_AFTER_S) for each in (before, after)
    ]
    return buckets[1] > buckets[0]


async def figures_when(lab: Lab, name: str, least: float, **labels: str) -> Figures:
    """Wait until a figure of the operator is as high as that."""
    seen: list[Figures] = []

    async def holds() -> bool:
        seen.append(await lab.figures())
        return seen[-1].value(name, **labels) >= least

    await eventually(holds, f"{name}{labels} is {least}")
    return seen[-1]


async def writes_of(lab: Lab) -> Counter[str]:
    """Count the writes of all clients to our resources, as the API server counts them.

    Writes of core Events are counted too, if the API server tells which are in this namespace.
    """
    log = audit_log_of(lab.kubeconfig)
    if log.exists():
        return Counter(_audited_writes(log.read_text(encoding="utf-8"), lab.namespace))
    counted: Counter[str] = Counter()
    for name, labels, value in samples(await lab.kubectl("get", "--raw", "/metrics")):
        if name == "apiserver_request_total" and labels["group"] == GROUP:
            verb = WRITES.get(labels["verb"])
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            if verb and labels["scope"] == "resource":
                counted[f"{verb} {resource}"] += int(value)
    return counted


def _audited_writes(log: str, namespace: str) -> Iterator[str]:
    for line in map(json.loads, log.splitlines()):
        ours = line.get("group") == GROUP or line.get("resource") == CORE_EVENTS.plural
        if ours and line.get("namespace") == namespace and line["verb"] in WRITES.values():
            resource = "/".join(filter(None, (line["resource"], line.get("subresource"))))
            yield f"{line['verb']} {resource}"
