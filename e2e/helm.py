"""Helm, as a library: releases of one namespace."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import helm_python

from e2e.settings import ROOT

CHARTS = ROOT / "charts"
OPERATOR, WORKER = CHARTS / "grctl", CHARTS / "grctl-worker"
ACTION_PATIENCE_S = 180  # for what an action waits for, such as the Job of an uninstall

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Helm:
    """Helm in a namespace."""

    kubeconfig: Path
    namespace: str

    async def install(self, chart: Path, release: str, values: Json | None = None) -> Json:
        """Install a chart, without waiting for its objects."""
        return await self._do(_install, chart, release, values)

    async def upgrade(self, chart: Path, release: str, values: Json | None = None) -> Json:
        """Upgrade a release to these values and no others."""
        return await self._do(_upgrade, chart, release, values)

    async def uninstall(self, release: str) -> Json:
        """Uninstall a release, and wait for its hooks."""
        return await self._do(_uninstall, release)

    async def notes(self, release: str, chart: Path, values: Json | None = None) -> str:
        """Return what Helm tells a person after an install."""
        return await self._do(_notes, chart, release, values)

    async def _do(self, action: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.to_thread(self._with_config, action, *arguments)

    def _with_config(self, action: Callable[..., T], *arguments: Any) -> T:
        with helm_python.Config(
            kubeconfig_path=self.kubeconfig, namespace=self.namespace
        ) as config:
            return action(config, self.namespace, *arguments)


def _install(
    config: helm_python.Config, namespace: str, chart: Path, release: str, values: Json
) -> Json:
    return config.install(
        chart,
        release,
        values,
        namespace=namespace,
        create_namespace=True,
        timeout=ACTION_PATIENCE_S,
    )


def _upgrade(
    config: helm_python.Config, namespace: str, chart: Path, release: str, values: Json
) -> Json:
    return config.upgrade(
        chart, release, values, namespace=namespace, reset_values=True, timeout=ACTION_PATIENCE_S
    )


def _uninstall(config: helm_python.Config, _namespace: str, release: str) -> Json:
    return config.uninstall(release, timeout=ACTION_PATIENCE_S, wait="hookOnly")


def _notes(
    config: helm_python.Config, namespace: str, chart: Path, release: str, values: Json
) -> str:
    with helm_python.Chart.load(chart) as loaded:
        rendered = config.render(loaded, values, name=release, namespace=namespace)
    return next(text for name, text in rendered.items() if name.endswith("NOTES.txt"))
