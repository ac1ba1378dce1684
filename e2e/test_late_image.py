"""A run does not mind that the image of its worker does not exist yet."""

import pytest

from e2e.helm import WORKER
from e2e.place import Json, Place
from e2e.settings import ROOT, Settings
from grctl.kube import RUNS

LATE = "orders:late"
PATIENCE = 180.0  # s: the kubelet waits longer after each try
MANIFESTS = ROOT / "examples" / "manifests"


@pytest.mark.builds
async def test_a_run_waits_for_the_image_of_its_worker_and_goes_on(
    place: Place, settings: Settings
) -> None:
    image = {"repository": "orders", "tag": "late"}
    await place.helm.install(WORKER, "orders", place.worker_values(image=image))
    for manifest in ("order", "approve"):
        await place.kubectl("apply", "-f", str(MANIFESTS / f"{manifest}.yaml"))

    def says_why(run: Json | None) -> str | None:
        message: str = (run or {}).get("status", {}).get("message", "")
        return message if message.startswith("No worker") else None

    message = await place.until(RUNS, "order-abc", says_why)
    dockerfile = ROOT / "e2e" / "worker" / "Dockerfile"
    settings.build_image(LATE, ROOT / "examples", dockerfile)

    assert '"ProcessOrder"' in message
    await place.until_phase("order-abc", "Completed", patience=PATIENCE)
