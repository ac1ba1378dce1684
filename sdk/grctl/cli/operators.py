"""Whether an operator would take up a run, as far as the operators' Leases show it.

1. A run that no operator has seen has no message. The commands show the reason in its place.
2. Nothing is guessed. The Lease is in the operator's own namespace, so all namespaces are searched.
   A person who may not list Leases sees no reason. A Lease of another name (`--lease-name`) is not
   found.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from grctl.cli.times import age

if TYPE_CHECKING:
    from grctl.client.access import Access

DEFAULT_LEASE_NAME = "grctl-operator"
SERVED_NAMESPACES_ANNOTATION = "grctl.dev/namespaces"
ALL_NAMESPACES = "all"
LEASE_SILENT_AFTER = timedelta(minutes=1)  # it is renewed every 3 s, and clocks may differ

NOT_TAKEN_UP = "No operator has taken it up yet"

Json = dict[str, Any]


def is_taken_up(message: str | None, phase: str | None) -> bool:
    """Whether an operator has written anything into a run's status."""
    return bool(message) or phase not in {None, "Pending"}


async def not_taken_up_message(access: "Access", namespace: str, now: datetime) -> str:
    """Return the message for a run that no operator has seen, with the reason if it is known."""
    why = await why_nobody_leads(access, namespace, now)
    return f"{NOT_TAKEN_UP}: {why}." if why else f"{NOT_TAKEN_UP}."


async def why_nobody_leads(access: "Access", namespace: str, now: datetime) -> str:
    """Return why no operator works on a namespace; empty if one does, or if it is unknown."""
    from grctl.client import WorkflowError
    from grctl.kube import LEASES, ApiError, UnreachableError

    try:
        leases = await access.named_everywhere(LEASES, DEFAULT_LEASE_NAME)
    except (ApiError, UnreachableError, WorkflowError):  # mostly: this person may not list Leases
        return ""
    return why_idle(leases, namespace, now)


def why_idle(leases: Sequence[Json], namespace: str, now: datetime) -> str:
    """Return why no operator works on a namespace; empty if one does, or may.

    Args:
        leases: The Leases of operators, of all namespaces.
        namespace: The namespace of a run.
        now: The present time.
    """
    if not leases:
        return f"the cluster has no Lease {DEFAULT_LEASE_NAME}, so no operator has ever led in it"
    serving = [each for each in leases if _is_serving(each, namespace)]
    if not serving:
        return (
            f"the operators serve other namespaces only ({', '.join(_served_namespaces(leases))})"
        )
    reasons = [_why_not_held(each, now) for each in serving]
    return "" if not all(reasons) else "; ".join(reasons)


def _why_not_held(lease: Json, now: datetime) -> str:
    """Return that a Lease is not held, and since when. Return an empty text if it is held."""
    spec, metadata = lease.get("spec") or {}, lease["metadata"]
    name = f"Lease {metadata['name']} in namespace {metadata['namespace']}"
    renewed = _parse_time(spec.get("renewTime"))
    if not spec.get("holderIdentity"):
        since = f" (released {age(renewed, now)} ago)" if renewed else ""
        return f"no operator runs, nobody holds the {name}{since}"
    if renewed is None or now - renewed <= LEASE_SILENT_AFTER:
        return ""
    return f"the operator has not renewed the {name} for {age(renewed, now)}"


def _is_serving(lease: Json, namespace: str) -> bool:
    """Whether the operators of a Lease work on a namespace, or may (no annotation)."""
    served = list(_served_namespaces([lease]))
    return not served or ALL_NAMESPACES in served or namespace in served


def _served_namespaces(leases: Iterable[Json]) -> Iterable[str]:
    for lease in leases:
        annotation = (lease["metadata"].get("annotations") or {}).get(
            SERVED_NAMESPACES_ANNOTATION
        ) or ""
        yield from (name.strip() for name in annotation.split(",") if name.strip())


def _parse_time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
