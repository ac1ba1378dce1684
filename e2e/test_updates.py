"""Rolling updates in the middle of events: none lost, none twice, order kept."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from e2e.helm import OPERATOR, WORKER
from e2e.installation import DEPLOYMENT, Installation
from e2e.lab import ClusterLab
from e2e.settings import Settings

RUNS_AT_ONCE, EVENTS_EACH = 10, 100  # 1,000 events
PATIENCE = 180.0  # s: for all of them, on a machine that also starts pods
NEXT = "grctl:next"


async def send_all(lab: ClusterLab, went: asyncio.Event) -> None:
    """Send 1,000 events; say when the first fifth is accepted."""
    accepted = 0

    async def send(run: int) -> None:
        nonlocal accepted
        for number in range(EVENTS_EACH):
            await lab.client.send(workflow_id=f"run-{run}", event_name="append", payload=number)
            accepted += 1
            if accepted == RUNS_AT_ONCE * EVENTS_EACH // 5:
                went.set()

    await asyncio.gather(*(send(run) for run in range(RUNS_AT_ONCE)))


async def change_while_events_come(lab: ClusterLab, change: Callable[[], Awaitable[None]]) -> None:
    """Change something after a fifth of 1,000 events; all events must be handled in order."""
    for run in range(RUNS_AT_ONCE):
        await lab.client.start_workflow(workflow_type="Append", workflow_id=f"run-{run}")
    went = asyncio.Event()
    sending = asyncio.create_task(send_all(lab, went))
    await went.wait()
    await change()
    await sending
    for run in range(RUNS_AT_ONCE):
        found = await lab.until_processed(f"run-{run}", EVENTS_EACH, PATIENCE)
        assert found["status"]["store"]["payloads"] == list(range(EVENTS_EACH))
    await lab.check_history()


async def test_worker_and_operator_are_updated_while_events_come(
    lab: ClusterLab, installation: Installation
) -> None:
    await lab.flows(replicas=2)

    async def update() -> None:
        env = [{"name": "FLOWS_VERSION", "value": "2"}]
        await lab.helm.upgrade(WORKER, "flows", lab.flows_values(replicas=2, extraEnv=env))
        await installation.kubectl("rollout", "restart", f"deployment/{DEPLOYMENT}")
        await lab.kubectl.wait_for_rollout("flows")
        await installation.kubectl.wait_for_rollout(DEPLOYMENT)

    await change_while_events_come(lab, update)

    await lab.client.send(workflow_id="run-0", event_name="append", payload=EVENTS_EACH)
    run = await lab.until_processed("run-0", EVENTS_EACH + 1)
    assert run["status"]["store"]["version"] == "2"


@pytest.mark.builds
async def test_the_chart_is_upgraded_with_changed_definitions_while_events_come(
    lab: ClusterLab, installation: Installation, settings: Settings, tmp_path: Path
) -> None:
    settings.build_image(NEXT, VERSION="next")
    await lab.flows()
    chart = shutil.copytree(OPERATOR, tmp_path / "grctl")
    add_column(chart / "templates" / "crd-workflowruns.yaml")
    repository, _, tag = NEXT.partition(":")

    async def upgrade() -> None:
        image = {"repository": repository, "tag": tag}
        await installation.upgrade(chart, image=image)

    before = await installation.certificate()
    await change_while_events_come(lab, upgrade)

    assert "COMMITS" in (await lab.kubectl("get", "wfr")).splitlines()[0]
    deployment = await installation.kubectl.json(f"deployment/{DEPLOYMENT}")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == NEXT
    assert await installation.certificate() == before


def add_column(template: Path) -> None:
    """Add a printer column to a definition, as a later version of the chart might."""
    _, _, body = template.read_text(encoding="utf-8").partition("crds.install }}\n")
    crd = yaml.safe_load(body.removesuffix("{{- end }}\n"))
    column = {"name": "Commits", "type": "integer", "jsonPath": ".status.commits"}
    crd["spec"]["versions"][0]["additionalPrinterColumns"].append(column)
    template.write_text(yaml.safe_dump(crd), encoding="utf-8")
