"""What one test acts with: kubectl, Helm and the SDK, in a namespace of its own.

1. A test acts by these alone, and waits for states, with a deadline.
2. All events and runs are recorded; `check_history` raises if what happened is not allowed.
3. The namespace is deleted at the end, and nothing may hold it.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from e2e.helm import WORKER, Helm
from e2e.settings import ROOT, Settings
from grctl.client import Client
from grctl.kube import EVENTS, RUNS, Api, Connection, NotFoundError, Resource
from tests.history.checks import assert_allowed, executed_before_committed
from tests.history.recorder import Recorder
from tests.history.recording_client import RecordingClient
from tests.lab.kubectl import Kubectl
from tests.lab.waiting import NAMESPACES, Waiting

POLL_S = 0.5
PATIENCE_S = 60.0  # for one state to come; most come within a second
GONE_PATIENCE_S = 120.0  # for a namespace and everything in it to be deleted
PODS = Resource("/api/v1", "pods")
FLOWS = ROOT / "e2e" / "worker" / "flows" / "flows.py"
HANDLERS = {
    "Append": frozenset({"append", "finish"}),
    "Slow": frozenset({"work"}),
    "ProcessOrder": frozenset({"approve", "reject", "update_quantity", "set_priority"}),
}
"""Event names that each workflow type of the suite handles."""

Json = dict[str, Any]


@dataclass
class ClusterLab(Waiting):
    """A namespace of the cluster, and the ways to act in it."""

    patience_s = PATIENCE_S
    settings: Settings
    namespace: str
    kubectl: Kubectl
    helm: Helm
    api: Api
    client: Client
    recorder: Recorder
    operator: Json
    """The worker chart's value `operator`: how a worker finds the operator."""
    worker_image: str

    async def worker(self, release: str = "orders", **values: Any) -> None:
        """Install a worker of the image's own workflow, and wait until it is connected."""
        await self.helm.install(WORKER, release, self.worker_values(**values))
        await self.kubectl.wait_for_rollout(release)

    async def flows(self, release: str = "flows", **values: Any) -> None:
        """Install a worker of `Append` and `Slow`, and wait until it is connected."""
        await self.kubectl.apply(self._flows_map())
        await self.helm.install(WORKER, release, self.flows_values(**values))
        await self.kubectl.wait_for_rollout(release)

    def worker_values(self, **values: Any) -> Json:
        """Return the values of a worker of ProcessOrder, with changes."""
        repository, _, tag = self.worker_image.rpartition(":")
        image = {"repository": repository, "tag": tag}
        return {"image": image, "types": ["ProcessOrder"], "operator": self.operator} | values

    def flows_values(self, **values: Any) -> Json:
        """Return the values of a worker of `Append` and `Slow`, with changes."""
        return (
            self.worker_values(
                workflows=["flows.flows:append", "flows.flows:slow"],
                types=["Append", "Slow"],
                extraVolumes=[{"name": "flows", "configMap": {"name": "flows"}}],
                extraVolumeMounts=[{"name": "flows", "mountPath": "/app/flows", "readOnly": True}],
            )
            | values
        )

    async def in_pod(self, script: str, account: str) -> Json:
        """Run a Python script in a pod of a ServiceAccount, and return the JSON that it prints."""
        name = f"script-{secrets.token_hex(3)}"
        await self.kubectl.apply(self._script_pod(name, script, account))

        def ended(pod: Json | None) -> str | None:
            phase = (pod or {}).get("status", {}).get("phase")
            return phase if phase in {"Succeeded", "Failed"} else None

        phase = await self.until(PODS, name, ended)
        said = await self.kubectl("logs", name)
        assert phase == "Succeeded", f"{name} {phase}: {said}"
        printed: Json = orjson.loads(said.splitlines()[-1])
        return printed

    async def run(self, name: str) -> Json:
        """Read a run."""
        return await self.kubectl.json(f"wfr/{name}")

    async def until_phase(self, name: str, *phases: str, patience: float = PATIENCE_S) -> Json:
        """Wait until a run is in one of the phases."""

        def judge(run: Json | None) -> Json | None:
            return run if run and run["status"].get("phase") in phases else None

        run: Json = await self.until(RUNS, name, judge, patience)
        return run

    async def until_processed(self, name: str, count: int, patience: float = PATIENCE_S) -> Json:
        """Wait until a run has consumed so many events."""

        def judge(run: Json | None) -> Json | None:
            events = (run or {}).get("status", {}).get("events") or {}
            return run if sum(events.values()) >= count else None

        run: Json = await self.until(RUNS, name, judge, patience)
        return run

    async def until_settled(self, event: str) -> Json:
        """Wait until an event is in a final phase, and return its status."""

        def judge(item: Json | None) -> Json | None:
            status: Json = (item or {}).get("status", {})
            return status if status.get("phase", "Pending") != "Pending" else None

        status: Json = await self.until(EVENTS, event, judge)
        return status

    async def until_logged(self, what: str, word: str) -> str:
        """Wait until a log holds a word, and return the log."""
        said = ""
        async with asyncio.timeout(PATIENCE_S):
            while word not in said:
                with contextlib.suppress(AssertionError):  # its container has not started
                    said = await self.kubectl("logs", what)
                await asyncio.sleep(POLL_S)
        return said

    async def until_core_event(self, about: str, reason: str, count: int = 1) -> Json:
        """Wait until an object has a core Event of a reason, so many times, and return it."""
        selector = f"--field-selector=involvedObject.name={about},reason={reason}"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                told = (await self.kubectl.json("events", selector))["items"]
                if told and told[0]["count"] >= count:
                    first: Json = told[0]
                    return first
                await asyncio.sleep(POLL_S)

    async def check_history(self) -> None:
        """Wait until all events are settled, then check everything that was seen.

        Which handlers ran only the pods know, so `tests/scenarios` checks that.
        """
        await self.recorder.until_settled()
        await self.recorder.catch_up()
        history = self.recorder.history((), HANDLERS)
        assert_allowed(history, without=executed_before_committed)

    def _flows_map(self) -> Json:
        text = FLOWS.read_text(encoding="utf-8")
        metadata = {"name": "flows"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata} | {
            "data": {"flows.py": text}
        }

    def _script_pod(self, name: str, script: str, account: str) -> Json:
        container = {
            "name": "script",
            "image": self.settings.image,
            "imagePullPolicy": "IfNotPresent",
            "args": ["python", "-c", script],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        spec = {
            "serviceAccountName": account,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@asynccontextmanager
async def cluster_lab(
    settings: Settings, home: Path, operator: Json, worker_image: str
) -> AsyncIterator[ClusterLab]:
    """Make a namespace that takes only pods of the restricted standard, and remove it."""
    namespace = f"e2e-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    async with (
        Api(await Connection.find(settings.kubeconfig)) as api,
        Recorder(api, namespace) as recorder,
        RecordingClient(recorder, namespace, settings.kubeconfig) as client,
    ):
        await api.create(NAMESPACES.path(), {"metadata": {"name": namespace, "labels": labels}})
        lab = ClusterLab(
            settings=settings,
            namespace=namespace,
            kubectl=Kubectl(settings.kubeconfig, namespace, home),
            helm=Helm(settings.kubeconfig, namespace),
            api=api,
            client=client,
            recorder=recorder,
            operator=operator,
            worker_image=worker_image,
        )
        try:
            yield lab
        finally:
            with contextlib.suppress(NotFoundError):  # the test deleted it
                await api.delete(NAMESPACES.path(name=namespace))
