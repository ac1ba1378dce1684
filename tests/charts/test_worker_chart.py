"""The worker's chart: the effects of its values."""

import helm_python
import pytest

from tests.charts.rendering import (
    WORKER,
    WORKER_VALUES,
    Json,
    environment,
    merged,
    objects,
    of_kind,
    one,
)


def worker(values: Json | None = None) -> list[Json]:
    return objects(WORKER, merged(WORKER_VALUES, values or {}))


def pod(found: list[Json]) -> Json:
    spec: Json = one(found, "Deployment")["spec"]["template"]["spec"]
    return spec


def test_a_worker_may_execute_its_types_and_nothing_else() -> None:
    found = worker({"types": ["ProcessOrder", "GreetEvents"]})

    assert one(found, "Role")["rules"] == [
        {
            "apiGroups": ["grctl.dev"],
            "resources": ["workflowruns"],
            "resourceNames": ["ProcessOrder", "GreetEvents"],
            "verbs": ["execute"],
        }
    ]


def test_a_worker_has_only_the_token_for_the_operator() -> None:
    found = worker()

    assert pod(found)["automountServiceAccountToken"] is False
    assert one(found, "ServiceAccount")["automountServiceAccountToken"] is False
    (volume,) = pod(found)["volumes"]
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    assert token == {"audience": "grctl.dev", "expirationSeconds": 3600, "path": "token"}
    (mount,) = pod(found)["containers"][0]["volumeMounts"]
    assert environment(one(found, "Deployment"))["GRCTL_WORKER_TOKEN_FILE"] == (
        f"{mount['mountPath']}/token"
    )


def test_a_worker_runs_the_named_workflows() -> None:
    found = worker({"workflows": ["orders:order", "greet:greet"]})

    assert pod(found)["containers"][0]["args"] == ["grctl", "worker", "orders:order", "greet:greet"]


def test_a_worker_without_named_workflows_runs_the_command_of_the_image() -> None:
    assert "args" not in pod(worker({"workflows": []}))["containers"][0]


def test_an_autoscaled_deployment_sets_no_number_of_replicas() -> None:
    found = worker({"autoscaling": {"enabled": True, "maxReplicas": 5}})

    assert "replicas" not in one(found, "Deployment")["spec"]
    scaler = one(found, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 5)
    assert scaler["scaleTargetRef"]["name"] == one(found, "Deployment")["metadata"]["name"]


def test_changed_certificates_start_new_workers() -> None:
    def annotations(pem: str) -> Json:
        found = worker({"operator": {"ca": {"pem": pem}}})
        noted: Json = one(found, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        return noted

    assert annotations("one") == annotations("one")
    assert annotations("one") != annotations("two")


@pytest.mark.parametrize(
    "operator", [{"url": "http://grctl-operator:8700"}, {"ca": {"public": True}}]
)
def test_a_worker_that_needs_no_certificates_gets_none(operator: Json) -> None:
    found = worker({"operator": operator})

    assert of_kind(found, "ConfigMap") == []
    assert "GRCTL_OPERATOR_CA_FILE" not in environment(one(found, "Deployment"))


def test_a_failed_lookup_names_the_value_to_set_instead() -> None:
    with pytest.raises(helm_python.HelmRenderError) as caught:
        worker({"operator": {"ca": {"pem": ""}}})

    assert '"grctl-system/grctl-operator-ca"' in str(caught.value)
    assert "operator.ca.pem" in str(caught.value)


@pytest.mark.parametrize(
    ("period", "grace"), [(40, "30"), (3600, "3590"), (20, "15"), (8, "6"), (3, "3"), (1, "1")]
)
def test_handlers_get_the_pods_grace_period_without_a_margin(period: int, grace: str) -> None:
    deployment = one(worker({"terminationGracePeriodSeconds": period}), "Deployment")

    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == period
    assert environment(deployment)["GRCTL_WORKER_GRACE"] == grace


def test_a_token_is_sent_by_plain_http_only_if_a_value_allows_it() -> None:
    def variables(operator: Json) -> Json:
        return environment(one(worker({"operator": operator}), "Deployment"))

    plain = {"url": "http://grctl-operator:8700"}
    assert "GRCTL_ALLOW_INSECURE_TOKEN" not in variables(plain)
    allowed = variables(plain | {"allowInsecureToken": True})
    assert allowed["GRCTL_ALLOW_INSECURE_TOKEN"] == "true"
