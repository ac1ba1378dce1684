"""Requests, counted from both sides: by the operator's metrics, and by the API server.

An embedded API has an audit log, which tells who asked; a real one has `apiserver_request_total`,
which does not: only its writes to our resources are looked at, and nobody else may play meanwhile
(marker `alone`).
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

from grctl.kube import CORE_EVENTS
from grctl.models import GROUP
from tests.lab.api_server import audit_log_of
from tests.lab.lab import Lab
from tests.lab.processes import eventually

SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
WRITES = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "APPLY": "patch",
    "DELETE": "delete",
}
"""Of whole collections none is counted: Kubernetes empties earlier scenarios' namespaces when it
likes. The operator's own figures have what it does to them."""


@dataclass(frozen=True)
class Figures:
    """What an operator's metrics say at one moment."""

    series: list[tuple[str, dict[str, str], float]]

    def value(self, name: str, **labels: str) -> float:
        """Give the sum of all series that have these labels."""
        return sum(
            value
            for found, its, value in self.series
            if found == name and labels.items() <= its.items()
        )

    @property
    def requests(self) -> Counter[str]:
        """What it has asked the API server for, by verb and resource."""
        counted: Counter[str] = Counter()
        for name, labels, value in self.series:
            if name == "grctl_api_requests_total":
                counted[f"{labels['verb']} {labels['resource']}"] += int(value)
        return counted


async def figures_of(port: int) -> Figures:
    """Ask an operator for its metrics."""
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return Figures(list(_series(await response.text())))


async def figures_when(port: int, name: str, least: float, **labels: str) -> Figures:
    """Wait until a figure is as high as that."""
    seen: list[Figures] = []

    async def holds() -> bool:
        seen.append(await figures_of(port))
        return seen[-1].value(name, **labels) >= least

    await eventually(holds, f"{name}{labels} is {least}")
    return seen[-1]


async def writes_of(lab: Lab) -> Counter[str]:
    """Count all writes to our resources, by whomever, as the API server counts them.

    Those of core Events too, where the API server tells which are in this namespace.
    """
    log = audit_log_of(lab.kubeconfig)
    if log.exists():
        return Counter(_audited_writes(log.read_text(encoding="utf-8"), lab.namespace))
    counted: Counter[str] = Counter()
    for name, labels, value in _series(await lab.kubectl("get", "--raw", "/metrics")):
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


def _series(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for name, labels, value in SERIES.findall(text):
        yield name, dict(LABEL.findall(labels)), float(value)
