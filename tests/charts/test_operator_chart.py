"""The operator's chart: the effects of its values."""

from typing import Any

import pytest

from grctl.models.crds import all_crds
from grctl_operator.runtime.settings import VARIABLES, Settings
from tests.charts.rendering import (
    OPERATOR,
    Json,
    environment,
    objects,
    of_kind,
    one,
    templates,
)


def rules(role: Json) -> set[tuple[str, str]]:
    return {
        (f"{group}/{resource}".lstrip("/"), verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def role_named(found: list[Json], end: str) -> Json:
    (role,) = [
        each
        for each in found
        if each["kind"].endswith("Role") and each["metadata"]["name"].endswith(end)
    ]
    return role


def test_an_upgrade_changes_the_definitions_and_an_uninstall_keeps_them() -> None:
    installed = of_kind(objects(OPERATOR), "CustomResourceDefinition")

    for crd in installed:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert sorted(installed, key=str) == sorted(all_crds(), key=str)
    assert not (OPERATOR / "crds").exists()


def test_a_second_release_can_leave_out_definitions_and_roles_for_people() -> None:
    values = {"crds": {"install": False}, "aggregatedRoles": False}

    found = objects(OPERATOR, values)

    assert of_kind(found, "CustomResourceDefinition") == []
    names = {each["metadata"]["name"] for each in of_kind(found, "ClusterRole")}
    assert names == {"grctl-system:grctl-operator", "grctl-system:grctl-let-go"}


def test_an_operator_of_all_namespaces_may_act_in_all() -> None:
    found = objects(OPERATOR)

    everywhere = rules(role_named(found, "grctl-system:grctl-operator"))
    assert ("grctl.dev/workflowruns/status", "update") in everywhere
    assert ("authentication.k8s.io/tokenreviews", "create") in everywhere
    assert "GRCTL_NAMESPACE" not in environment(one(found, "Deployment"))


def test_an_operator_of_some_namespaces_may_act_in_those_only() -> None:
    found = objects(OPERATOR, {"namespaces": ["blue", "green"]})

    places = {
        role["metadata"]["namespace"]
        for role in of_kind(found, "Role")
        if ("grctl.dev/workflowruns/status", "update") in rules(role)
    }
    assert places == {"blue", "green"}
    assert rules(role_named(found, "grctl-system:grctl-operator")) == {
        ("authentication.k8s.io/tokenreviews", "create"),
        ("authorization.k8s.io/subjectaccessreviews", "create"),
    }
    assert environment(one(found, "Deployment"))["GRCTL_NAMESPACE"] == "blue,green"


def test_the_operator_reads_every_variable_of_the_chart() -> None:
    variables = environment(one(objects(OPERATOR, {"namespaces": ["blue"]}), "Deployment"))

    given = {name for name in variables if name.startswith("GRCTL_")}
    assert given <= set(VARIABLES.values())
    settings = Settings.read({}, {name: str(variables[name]) for name in given})
    assert (settings.namespaces, settings.authenticates) == (("blue",), True)


def test_no_role_allows_everything() -> None:
    for values in ({}, {"namespaces": ["blue"]}):
        for role in objects(OPERATOR, values):
            if role["kind"].endswith("Role"):
                assert "*" not in str(rules(role))


@pytest.mark.parametrize(
    ("role", "into", "may", "may_not"),
    [
        ("grctl-viewer", "view", ("grctl.dev/workflowruns", "watch"), "create"),
        ("grctl-sender", "edit", ("grctl.dev/workflowevents", "create"), "delete"),
        ("grctl-editor", "edit", ("grctl.dev/workflowruns", "delete"), "execute"),
        ("grctl-executor", "admin", ("grctl.dev/workflowruns", "execute"), "get"),
    ],
)
def test_people_get_their_rights_by_the_roles_of_kubernetes(
    role: str, into: str, may: tuple[str, str], may_not: str
) -> None:
    found = role_named(objects(OPERATOR), role)

    assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{into}"] == "true"
    assert may in rules(found)
    assert may_not not in {verb for _, verb in rules(found)}


def test_a_single_replica_gets_no_disruption_budget() -> None:
    assert len(of_kind(objects(OPERATOR), "PodDisruptionBudget")) == 1
    assert of_kind(objects(OPERATOR, {"replicas": 1}), "PodDisruptionBudget") == []


def test_the_certificate_has_every_name_of_the_service() -> None:
    issuer = {"kind": "ClusterIssuer", "name": "ours"}
    tls = {"source": "certManager", "certManager": {"issuerRef": issuer}, "extraNames": ["flows"]}

    certificate = one(objects(OPERATOR, {"tls": tls}), "Certificate")["spec"]

    assert certificate["dnsNames"] == [
        "grctl-operator.grctl-system",
        "grctl-operator.grctl-system.svc",
        "grctl-operator.grctl-system.svc.cluster.local",
        "flows",
    ]
    assert certificate["issuerRef"] == issuer


def test_the_charts_certificate_can_be_verified_by_the_public_configmap() -> None:
    from base64 import b64decode

    from cryptography.x509 import load_pem_x509_certificate

    found = objects(OPERATOR)
    data = one(found, "Secret")["data"]
    public = one(found, "ConfigMap")["data"]["ca.crt"]

    authority = load_pem_x509_certificate(public.encode())
    certificate = load_pem_x509_certificate(b64decode(data["tls.crt"]))
    certificate.verify_directly_issued_by(authority)
    assert b64decode(data["ca.crt"]).decode() == public


def test_without_tls_no_secret_is_mounted_and_the_advertised_address_is_http() -> None:
    found = objects(OPERATOR, {"tls": {"source": "none"}})

    deployment = one(found, "Deployment")
    assert "volumes" not in deployment["spec"]["template"]["spec"]
    assert environment(deployment)["GRCTL_ADVERTISE_URL"] == "http://$(POD_IP):8700"
    assert of_kind(found, "Secret") == []


def test_prometheus_finds_the_metrics_by_the_service() -> None:
    found = objects(OPERATOR, {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}})

    monitor, service = one(found, "ServiceMonitor"), one(found, "Service")
    assert monitor["metadata"]["labels"]["release"] == "p"
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert "http" in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [{"namespaceSelector": {}}]),
        ({"workersFrom": [{"podSelector": {}}]}, [{"podSelector": {}}]),
    ],
)
def test_a_network_policy_allows_only_the_named_peers(values: Json, expected: list[Any]) -> None:
    policy = one(objects(OPERATOR, {"networkPolicy": {"enabled": True, **values}}), "NetworkPolicy")

    workers, metrics = policy["spec"]["ingress"]
    assert workers == {"ports": [{"port": "workers"}], "from": expected}
    assert metrics == {"ports": [{"port": "http"}], "from": [{"namespaceSelector": {}}]}


def test_an_uninstall_removes_the_finalizers_after_the_operators_rights() -> None:
    found = objects(OPERATOR, {"namespaces": ["blue"]})

    hooks = [each for each in found if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    assert {each["metadata"]["annotations"]["helm.sh/hook"] for each in hooks} == {"post-delete"}
    assert {each["kind"] for each in hooks} == {"ServiceAccount", "Role", "RoleBinding", "Job"}
    (container,) = one(hooks, "Job")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["python", "-m", "grctl_operator.let_go", "--namespace", "blue"]
    assert objects(OPERATOR, {"letGoOnUninstall": False}) != found


def test_the_notes_print_the_next_commands() -> None:
    notes = templates(OPERATOR, {})["NOTES.txt"]

    assert "kubectl -n grctl-system rollout status deployment/grctl-operator" in notes
    assert "operator.url=https://grctl-operator.grctl-system:8700" in notes
    assert "operator.ca.copyFrom=grctl-system/grctl-operator-ca" in notes
    assert "not authenticated" not in notes


def test_the_notes_warn_of_workers_without_authentication() -> None:
    notes = templates(OPERATOR, {"workers": {"authentication": "none"}})["NOTES.txt"]

    assert "not authenticated" in notes
