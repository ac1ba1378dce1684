"""Helm accepts the charts with all kinds of values, and Kubernetes accepts their objects."""

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from tests.charts.rendering import OPERATOR, WORKER, WORKER_VALUES, Json, merged, objects

OLDEST, NEWEST = "1.31.0", "1.36.0"  # that of Chart.yaml, and that of the end-to-end tests
OTHERS = ("monitoring.coreos.com", "cert-manager.io", "apiextensions.k8s.io")
"""API groups without a schema here. Other tests install our own definitions."""

PLACEMENT: Json = {
    "podLabels": {"team": "blue"},
    "podAnnotations": {"example.org/a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "image": {"pullSecrets": ["registry"]},
}
VALUES: list[tuple[Path, Json]] = [
    (OPERATOR, {}),
    (OPERATOR, PLACEMENT),
    (OPERATOR, {"namespaces": ["blue", "green"], "crds": {"install": False}, "replicas": 1}),
    (OPERATOR, {"workers": {"authentication": "none"}, "tls": {"source": "none"}}),
    (OPERATOR, {"namespaces": ["blue"], "workers": {"authentication": "none"}}),
    (OPERATOR, {"tls": {"source": "secret", "secretName": "mine"}}),
    (OPERATOR, {"tls": {"source": "certManager", "certManager": {"issuerRef": {"name": "ours"}}}}),
    (OPERATOR, {"networkPolicy": {"enabled": True}, "serviceMonitor": {"enabled": True}}),
    (
        OPERATOR,
        {"networkPolicy": {"enabled": True, "workersFrom": [{"podSelector": {}}]}},
    ),
    (OPERATOR, {"serviceAccount": {"create": False, "name": "mine"}, "letGoOnUninstall": False}),
    (OPERATOR, {"serviceAccount": {"annotations": {"a": "b"}}, "fullnameOverride": "flows"}),
    (WORKER, {}),
    (WORKER, PLACEMENT),
    (WORKER, {"workflows": [], "livenessProbe": {}, "readinessProbe": {}}),
    (WORKER, {"autoscaling": {"enabled": True}, "podDisruptionBudget": {"enabled": True}}),
    (WORKER, {"operator": {"url": "http://grctl:8700"}}),
    (WORKER, {"operator": {"ca": {"configMap": "mine"}}}),
    (WORKER, {"serviceAccount": {"create": False, "name": "mine"}}),
    (
        WORKER,
        {
            "envFrom": [{"secretRef": {"name": "database"}}],
            "extraVolumes": [{"name": "data", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
    ),
]


def complete(chart: Path, values: Json) -> Json:
    return merged(WORKER_VALUES, values) if chart == WORKER else values


def validate(chart: Path, values: Json, version: str) -> None:
    found = objects(chart, complete(chart, values))

    assert found
    for each in found:
        if not each["apiVersion"].startswith(OTHERS):
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(("chart", "values"), VALUES)
def test_helm_lint_reports_nothing(chart: Path, values: Json) -> None:
    report = helm_python.lint(chart, complete(chart, values), strict=True)

    warnings = [each for each in report["messages"] if each["error"] != "icon is recommended"]
    assert (report["errors"], warnings) == ([], [])


@pytest.mark.parametrize(("chart", "values"), VALUES)
def test_kubernetes_knows_every_field(chart: Path, values: Json) -> None:
    validate(chart, values, NEWEST)


@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_the_oldest_supported_kubernetes_knows_every_field(chart: Path) -> None:
    validate(chart, PLACEMENT, OLDEST)


@pytest.mark.parametrize(("chart", "values"), VALUES)
def test_every_pod_fits_the_restricted_pod_security_standard(chart: Path, values: Json) -> None:
    pods = [
        each["spec"]["template"]["spec"]
        for each in objects(chart, complete(chart, values))
        if each["kind"] in {"Deployment", "Job"}
    ]

    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_every_object_is_in_the_releases_namespace_and_has_its_name(chart: Path) -> None:
    for each in objects(chart, complete(chart, {})):
        metadata = each["metadata"]
        if each["kind"].startswith(("Cluster", "CustomResource")):
            assert "namespace" not in metadata
        else:
            assert metadata["namespace"] == "grctl-system"
        if each["kind"] != "CustomResourceDefinition":
            assert metadata["labels"]["app.kubernetes.io/instance"] == "grctl"


@pytest.mark.parametrize("chart", [OPERATOR, WORKER])
def test_both_charts_have_the_version_of_the_project(chart: Path) -> None:
    from importlib.metadata import version

    about: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))

    assert (about["version"], about["appVersion"]) == (version("grctl"), version("grctl"))
