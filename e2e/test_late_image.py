"""A run waits for a worker whose image does not exist yet."""

import pytest

from e2e.helm import WORKER
from e2e.lab import ClusterLab, Json
from e2e.settings import ROOT, Settings
from grctl.kube import RUNS

LATE = "orders:late"
IMAGE_PATIENCE_S = 180.0  # the kubelet waits longer after each try
MANIFESTS = ROOT / "examples" / "manifests"


@pytest.mark.builds
async def test_a_run_waits_for_the_image_of_its_worker_and_goes_on(
    lab: ClusterLab, settings: Settings
) -> None:
    image = {"repository": "orders", "tag": "late"}
    await lab.helm.install(WORKER, "orders", lab.worker_values(image=image))
    for manifest in ("order", "approve"):
        await lab.kubectl("apply", "-f", str(MANIFESTS / f"{manifest}.yaml"))

    def shows_reason(run: Json | None) -> str | None:
        message: str = (run or {}).get("status", {}).get("message", "")
        return message if message.startswith("No worker") else None

    message = await lab.until(RUNS, "order-abc", shows_reason)
    dockerfile = ROOT / "e2e" / "worker" / "Dockerfile"
    settings.build_image(LATE, ROOT / "examples", dockerfile)

    assert '"ProcessOrder"' in message
    await lab.until_phase("order-abc", "Completed", patience=IMAGE_PATIENCE_S)
