from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.cli.operators import why_idle
from grctl.kube import LEASES, Api
from grctl.kube.errors import api_error
from grctl_operator.runtime.leader import lease as operators_lease
from grctl_operator.runtime.settings import LEASE_NAME
from tests.cli.conftest import Grctl, send_request, set_status

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NONE = "the cluster has no Lease grctl-operator, so no operator has ever led in it"


def lease(
    renewed: timedelta = timedelta(0), holder: str | None = "pod-1", serves: str | None = "all"
) -> dict[str, Any]:
    at = (NOW - renewed).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    annotations = {} if serves is None else {operators_lease.NAMESPACES_ANNOTATION: serves}
    metadata = {"name": LEASE_NAME, "namespace": "grctl", "annotations": annotations}
    return {"metadata": metadata, "spec": {"renewTime": at, "holderIdentity": holder}}


@pytest.mark.parametrize(
    "leases",
    [
        [lease()],
        [lease(timedelta(seconds=59))],
        [lease(-timedelta(minutes=10))],
        [lease(serves="shop, bank")],
        [lease(serves=None)],
        [lease(timedelta(hours=1)), lease()],
        [lease() | {"spec": {"holderIdentity": "x", "renewTime": "soon"}}],
    ],
    ids=["held", "just so", "clock behind", "of two", "unsaid", "one of two", "odd time"],
)
def test_a_held_lease_gives_no_reason(leases: list[dict[str, Any]]) -> None:
    assert why_idle(leases, "shop", NOW) == ""


@pytest.mark.parametrize(
    ("leases", "message"),
    [
        ([], NONE),
        (
            [lease(timedelta(minutes=5))],
            "has not renewed the Lease grctl-operator in namespace grctl",
        ),
        (
            [lease(timedelta(hours=2), holder=None)],
            "nobody holds the Lease grctl-operator in namesp",
        ),
        ([lease(serves="bank")], "the operators serve other namespaces only (bank)"),
        ([lease() | {"spec": None}], "no operator runs, nobody holds the Lease"),
    ],
    ids=["never", "killed", "stopped", "elsewhere", "empty"],
)
def test_a_lease_that_nobody_holds_gives_the_reason(
    leases: list[dict[str, Any]], message: str
) -> None:
    assert message in why_idle(leases, "shop", NOW)


@pytest.mark.usefixtures("kubeconfig")
def test_each_command_shows_why_a_run_is_not_taken_up(grctl: Grctl) -> None:
    started = grctl("start", "Order", "order-1")
    listed = grctl("list")
    described = grctl("describe", "order-1")
    assert started.stderr == f"grctl: nobody takes it up now: {NONE}\n"
    assert listed.stderr == f"grctl: nobody takes up order-1: {NONE}\n"
    assert f"Message    No operator has taken it up yet: {NONE}.\n" in described.stdout


def test_no_lease_is_read_for_a_run_that_was_taken_up(
    grctl: Grctl, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grctl("start", "Order", "order-1")
    set_status(kubeconfig, "order-1", {"phase": "Pending", "message": "No worker serves it."})
    asked = forbid_leases(monkeypatch)
    assert grctl("list").stderr == ""
    assert "Message    No worker serves it.\n" in grctl("describe", "order-1").stdout
    assert asked == []


@pytest.mark.usefixtures("kubeconfig")
def test_a_person_who_may_not_list_leases_sees_no_reason(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = forbid_leases(monkeypatch)
    started = grctl("start", "Order", "order-1")
    assert (started.exit_code, started.stderr) == (0, "")
    assert grctl("list").stderr == ""
    described = grctl("describe", "order-1")
    assert "Message    No operator has taken it up yet.\n" in described.stdout
    assert len(asked) == 3


def test_the_lease_is_found_in_any_namespace(grctl: Grctl, kubeconfig: Path) -> None:
    spec = {"holderIdentity": "pod-1", "renewTime": "2020-01-01T00:00:00.000000Z"}
    body = {"metadata": {"name": LEASE_NAME}, "spec": spec}
    send_request(kubeconfig, lambda api: api.create(LEASES.path("kube-system"), body))
    started = grctl("start", "Order", "order-1")
    assert "the Lease grctl-operator in namespace kube-system for" in started.stderr


def forbid_leases(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse requests for Leases. Return the paths that were asked for."""
    get, asked = Api.get, []

    async def guarded(api: Api, path: str, *arguments: Any) -> Any:
        if path.endswith("/leases"):
            asked.append(path)
            raise api_error(403, {"reason": "Forbidden", "message": "may not list leases"})
        return await get(api, path, *arguments)

    monkeypatch.setattr(Api, "get", guarded)
    return asked
