"""The garbage collector: it removes objects whose owner, namespace or definition was deleted.

1. An object is removed if none of its owners exists. An owner of a kind that is not served counts
   as existing.
2. A deleted namespace is removed after the last object in it. A deleted definition is removed after
   the last of its objects.
3. A change only queues the name of an object. A task takes names from the queue and looks at the
   current objects. So no change carries information that can get lost.
"""

import asyncio
from collections import defaultdict

from grctl_local.errors import Json
from grctl_local.kinds.builtin import DEFINITIONS, NAMESPACES
from grctl_local.kinds.definitions import CLEANUP
from grctl_local.store import ALL_RESOURCES, Key, Record, StoredChange
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.deletion import remove
from grctl_local.verbs.request import Call

Name = tuple[str, Key]
"""The resource and the key of an object."""


class GarbageCollector:
    """Watches all resources. `run` is its task."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queue: dict[Name, None] = {}
        self._wake = asyncio.Event()
        self._dependents: dict[str, set[Name]] = defaultdict(set)
        for resource in cluster.store.resources():
            for record in cluster.store.records(resource).values():
                self._note_object(resource, record)
        cluster.store.watch(ALL_RESOURCES, self._on_change)

    async def run(self) -> None:
        """Remove objects until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                name = next(iter(self._queue))
                del self._queue[name]
                self._collect(*name)
                await asyncio.sleep(0)  # requests go first

    def _on_change(self, change: StoredChange) -> None:
        if change.type == "DELETED":
            self._on_deletion(change)
        else:
            self._note_object(change.resource, change.record)

    def _on_deletion(self, change: StoredChange) -> None:
        metadata = change.record.value["metadata"]
        for name in self._dependents.pop(metadata["uid"], ()):
            self._push(name)
        for owner in metadata.get("ownerReferences", ()):
            dependents = self._dependents.get(owner["uid"])
            if dependents:
                dependents.discard((change.resource, change.record.key))
        self._push((NAMESPACES, ("", change.record.key[0])))
        self._push((DEFINITIONS, ("", change.resource)))

    def _note_object(self, resource: str, record: Record) -> None:
        metadata = record.value["metadata"]
        for owner in metadata.get("ownerReferences", ()):
            self._dependents[owner["uid"]].add((resource, record.key))
        if "ownerReferences" in metadata or "deletionTimestamp" in metadata:
            self._push((resource, record.key))

    def _push(self, name: Name) -> None:
        self._queue[name] = None
        self._wake.set()

    def _collect(self, resource: str, key: Key) -> None:
        record = self._cluster.store.get(resource, key)
        if not record:
            return
        if "deletionTimestamp" not in record.value["metadata"]:
            self._check_owners(resource, record)
        elif resource == NAMESPACES:
            self._empty_namespace(record)
        elif resource == DEFINITIONS:
            self._empty_definition(record)
        else:
            self._release(resource, record)

    def _check_owners(self, resource: str, record: Record) -> None:
        owners = record.value["metadata"].get("ownerReferences", [])
        if owners and not any(self._exists(owner, record.key[0]) for owner in owners):
            self._remove(resource, record)

    def _exists(self, owner: Json, namespace: str) -> bool:
        kind = self._cluster.registry.of_type(owner["apiVersion"], owner["kind"])
        if not kind:
            return True
        key = (namespace if kind.namespaced else "", owner["name"])
        found = self._cluster.store.get(kind.resource, key)
        return found is not None and found.value["metadata"]["uid"] == owner["uid"]

    def _empty_namespace(self, namespace: Record) -> None:
        name = namespace.key[1]
        inside = [
            (resource, record)
            for resource in self._cluster.store.resources()
            for record in list(self._cluster.store.records(resource).values())
            if record.key[0] == name
        ]
        for resource, record in inside:
            self._remove(resource, record)
        if not any(self._cluster.store.get(resource, record.key) for resource, record in inside):
            self._cluster.store.delete(NAMESPACES, namespace.key)

    def _empty_definition(self, definition: Record) -> None:
        resource = definition.key[1]
        records = self._cluster.store.records(resource)
        for record in list(records.values()):
            self._remove(resource, record)
        if not records:
            self._remove_finalizer(DEFINITIONS, definition, CLEANUP)

    def _release(self, resource: str, record: Record) -> None:
        """Remove the finalizers of the server when the dependents have been dealt with."""
        metadata = record.value["metadata"]
        dependents = self._dependents.get(metadata["uid"], set())
        if "orphan" in metadata.get("finalizers", ()):
            for name in list(dependents):
                self._disown(name, metadata["uid"])
            self._remove_finalizer(resource, record, "orphan")
        elif "foregroundDeletion" in metadata.get("finalizers", ()):
            for dependent_resource, key in list(dependents):
                if dependent := self._cluster.store.get(dependent_resource, key):
                    self._remove(dependent_resource, dependent)
            if not self._dependents.get(metadata["uid"]):
                self._remove_finalizer(resource, record, "foregroundDeletion")
            else:
                self._push_later(resource, record)

    def _push_later(self, resource: str, record: Record) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, self._push, (resource, record.key))

    def _disown(self, name: Name, uid: str) -> None:
        resource, key = name
        record = self._cluster.store.get(resource, key)
        self._dependents[uid].discard(name)
        if not record:
            return
        metadata = dict(record.value["metadata"])
        owners = [owner for owner in metadata.pop("ownerReferences", ()) if owner["uid"] != uid]
        if owners:
            metadata["ownerReferences"] = owners
        self._cluster.store.put(resource, key, {**record.value, "metadata": metadata})

    def _remove_finalizer(self, resource: str, record: Record, finalizer: str) -> None:
        metadata = dict(record.value["metadata"])
        left = [name for name in metadata.pop("finalizers", ()) if name != finalizer]
        if not left:
            self._cluster.store.delete(resource, record.key)
            return
        metadata["finalizers"] = left
        self._cluster.store.put(resource, record.key, {**record.value, "metadata": metadata})

    def _remove(self, resource: str, record: Record) -> None:
        kind = self._cluster.registry.of_resource(resource)
        if kind:
            call = Call(kind, *record.key, subresource="", query={})
            remove(self._cluster, call, record, {})
        else:
            self._cluster.store.delete(resource, record.key)
