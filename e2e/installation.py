"""The operator as the chart installs it, in a namespace of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.helm import OPERATOR, Helm
from e2e.settings import Settings
from tests.lab.kubectl import Kubectl

NAMESPACE = "grctl-e2e"  # the audit policy names it
CRDS = ("workflowruns.grctl.dev", "workflowevents.grctl.dev")
RELEASE, DEPLOYMENT = "grctl", "grctl-operator"

Json = dict[str, Any]


@dataclass
class Installation:
    """The release of the operator chart."""

    settings: Settings
    home: Path
    is_installed: bool = False

    @property
    def kubectl(self) -> Kubectl:
        """kubectl in the operator's namespace."""
        return Kubectl(self.settings.kubeconfig, NAMESPACE, self.home)

    @property
    def helm(self) -> Helm:
        """Helm in the operator's namespace."""
        return Helm(self.settings.kubeconfig, NAMESPACE)

    @property
    def address(self) -> Json:
        """The worker chart's value `operator`: how a worker finds the operator."""
        return {
            "url": f"https://{DEPLOYMENT}.{NAMESPACE}:8700",
            "ca": {"copyFrom": f"{NAMESPACE}/{DEPLOYMENT}-ca"},
        }

    def values(self, **values: Any) -> Json:
        """Return the values of the release: the image, and changes."""
        repository, _, tag = self.settings.image.rpartition(":")
        return {"image": {"repository": repository, "tag": tag}} | values

    async def install(self, **values: Any) -> None:
        """Install the chart, and wait until all operators are ready."""
        await self.helm.install(OPERATOR, RELEASE, self.values(**values))
        self.is_installed = True
        await self.kubectl.wait_for_rollout(DEPLOYMENT)

    async def upgrade(self, chart: Path = OPERATOR, **values: Any) -> None:
        """Upgrade the release, and wait until all operators are new and ready."""
        await self.helm.upgrade(chart, RELEASE, self.values(**values))
        await self.kubectl.wait_for_rollout(DEPLOYMENT)

    async def uninstall(self) -> None:
        """Uninstall the release."""
        await self.helm.uninstall(RELEASE)
        self.is_installed = False

    async def certificate(self) -> str:
        """Return the certificate that workers see."""
        secret = await self.kubectl.json(f"secret/{DEPLOYMENT}-tls")
        certificate: str = secret["data"]["tls.crt"]
        return certificate

    async def remove(self) -> None:
        """Leave the cluster as it was found."""
        if self.is_installed:
            await self.uninstall()
        await self.kubectl("delete", "crd", *CRDS, "--ignore-not-found")
        await self.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


async def install_operator(installation: Installation) -> None:
    """Install the operator into a new namespace that takes only restricted pods."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace"}
    await installation.kubectl.apply(
        namespace | {"metadata": {"name": NAMESPACE, "labels": labels}}
    )
    await installation.install()
