"""WorkflowEvents as the API server gives them, and a cache that was shown some."""

from typing import Any

from grctl_operator.engine import Key
from grctl_operator.views.events import EventCache
from grctl_operator.views.runs import KnownRun
from tests.engine.builders import at

Json = dict[str, Any]

KEY = Key("shop", "order")
OTHER = Key("shop", "other")
RUN = KnownRun("run-1", "100", 3)


def item(
    name: str,
    revision: int,
    *,
    key: Key = KEY,
    created: str = "11:00",
    status: Json | None = None,
    deleting: bool = False,
    **spec: Any,
) -> Json:
    """A WorkflowEvent as the API server gives it."""
    metadata = {
        "name": name,
        "namespace": key.namespace,
        "uid": f"uid-of-{name}",
        "resourceVersion": str(revision),
        "creationTimestamp": at(created).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-23T11:30:00Z"
    made: Json = {
        "metadata": metadata,
        "spec": {"workflowId": key.name, "eventName": "approve", **spec},
    }
    return made | ({"status": status} if status else {})


def settled(name: str, revision: int) -> Json:
    return item(name, revision, status={"phase": "Processed"})


def names(cache: EventCache, key: Key = KEY) -> list[str]:
    return [event.name for event in cache.get_view(key)]


def cache_of(*items: Json) -> EventCache:
    """Return a cache to which a watch has shown some events."""
    cache = EventCache()
    for each in items:
        cache.on_change("ADDED", each)
    return cache
