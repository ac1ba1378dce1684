import pytest

from grctl.kube import CORE_EVENTS, EVENTS, RUNS, Resource
from grctl.kube.requests import request_of

NAMESPACES = Resource("/api/v1", "namespaces")


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", RUNS.path(), "list", "workflowruns"),
        ("GET", RUNS.path("shop"), "list", "workflowruns"),
        ("GET", RUNS.path("shop", "order-1"), "get", "workflowruns"),
        ("PUT", RUNS.path("shop", "order-1", "status"), "update", "workflowruns/status"),
        ("PATCH", RUNS.path("shop", "order-1"), "patch", "workflowruns"),
        ("DELETE", EVENTS.path("shop", "e"), "delete", "workflowevents"),
        ("DELETE", EVENTS.path("shop"), "deletecollection", "workflowevents"),
        ("POST", CORE_EVENTS.path("shop"), "create", "events"),
        ("GET", NAMESPACES.path(), "list", "namespaces"),
        ("GET", NAMESPACES.path(name="shop"), "get", "namespaces"),
        ("GET", "/version", "get", "/version"),
        ("GET", "/apis", "get", "/apis"),
        ("GET", "/apis/grctl.dev/v1alpha1", "get", "/apis/grctl.dev/v1alpha1"),
    ],
)
def test_a_request_has_the_verb_and_the_resource_of_a_role(
    method: str, path: str, verb: str, resource: str
) -> None:
    assert request_of(method, path) == (verb, resource)


def test_a_get_with_watch_has_the_verb_watch() -> None:
    assert request_of("GET", EVENTS.path(), watch=True) == ("watch", "workflowevents")
