"""Whether an operator would take up a run, as far as the operators' Leases show it.

1. A run that no operator has seen has no message. A person who looks at it is told why.
2. Nothing is guessed. The Lease lies in the operator's own namespace, so it is looked for
   in all of them, and a person who may not list Leases is told nothing of it. A Lease of another
   name (`--lease-name`) is not found.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from grctl.cli.times import age

if TYPE_CHECKING:
    from grctl.client.access import Access

LEASE_NAME = "grctl-operator"
SERVES = "grctl.dev/namespaces"
EVERYWHERE = "all"
LEASE_SILENT_AFTER = timedelta(minutes=1)  # it is renewed every 3 s; clocks may differ

NOT_TAKEN_UP = "No operator has taken it up yet"

Json = dict[str, Any]


def is_taken_up(message: str | None, phase: str | None) -> bool:
    """Return whether an operator has shown anything in a run's status."""
    return bool(message) or phase not in {None, "Pending"}


async def not_taken_up(access: "Access", namespace: str, now: datetime) -> str:
    """Return the message for a run that no operator has seen, with the reason if it is known."""
    told = await why_nobody_leads(access, namespace, now)
    return f"{NOT_TAKEN_UP}: {told}." if told else f"{NOT_TAKEN_UP}."


async def why_nobody_leads(access: "Access", namespace: str, now: datetime) -> str:
    """Return why no operator works on a namespace; empty if one does, or if it is unknown."""
    from grctl.client import WorkflowError
    from grctl.kube import LEASES, ApiError, UnreachableError

    try:
        leases = await access.named_everywhere(LEASES, LEASE_NAME)
    except (ApiError, UnreachableError, WorkflowError):  # mostly: it may not list Leases
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
        return f"the cluster has no Lease {LEASE_NAME}, so no operator has ever led in it"
    serving = [each for each in leases if _serves(each, namespace)]
    if not serving:
        return f"the operators serve other namespaces only ({', '.join(_served(leases))})"
    silences = [_silence(each, now) for each in serving]
    return "" if not all(silences) else "; ".join(silences)


def _silence(lease: Json, now: datetime) -> str:
    """Return that a Lease is not held, and since when; empty if it is held."""
    spec, metadata = lease.get("spec") or {}, lease["metadata"]
    name = f"Lease {metadata['name']} in namespace {metadata['namespace']}"
    renewed = _moment(spec.get("renewTime"))
    if not spec.get("holderIdentity"):
        since = f" (released {age(renewed, now)} ago)" if renewed else ""
        return f"no operator runs, nobody holds the {name}{since}"
    if renewed is None or now - renewed <= LEASE_SILENT_AFTER:
        return ""
    return f"the operator has not renewed the {name} for {age(renewed, now)}"


def _serves(lease: Json, namespace: str) -> bool:
    """Return whether the operators of a Lease work on a namespace, or may (no annotation)."""
    served = list(_served([lease]))
    return not served or EVERYWHERE in served or namespace in served


def _served(leases: Iterable[Json]) -> Iterable[str]:
    for lease in leases:
        said = (lease["metadata"].get("annotations") or {}).get(SERVES) or ""
        yield from (name.strip() for name in said.split(",") if name.strip())


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
