"""The state that all verbs work on: the store, the kinds and the clock."""

from dataclasses import dataclass

from grctl_local.clock import Clock, system_clock
from grctl_local.errors import (
    Json,
    definition_terminating,
    namespace_terminating,
    not_found,
)
from grctl_local.kinds.builtin import DEFINITIONS, FIRST_NAMESPACES, NAMESPACES, builtin_kinds
from grctl_local.kinds.definitions import is_terminating, kinds_of
from grctl_local.kinds.metadata import new_metadata
from grctl_local.kinds.registry import Registry
from grctl_local.store import ObjectStore, Record, StoredChange, is_same
from grctl_local.verbs.request import Call


@dataclass
class Cluster:
    """The state of one API server."""

    store: ObjectStore
    registry: Registry
    clock: Clock

    @classmethod
    def of(cls, store: ObjectStore, clock: Clock = system_clock) -> "Cluster":
        """Return the cluster of a store. It serves the definitions, also those of later writes."""
        cluster = cls(store, Registry(builtin_kinds(clock)), clock)
        for record in list(store.records(DEFINITIONS).values()):
            cluster.serve(record.value)
        store.watch(DEFINITIONS, cluster._on_definition_change)
        for name in FIRST_NAMESPACES:
            if not store.get(NAMESPACES, ("", name)):
                metadata = new_metadata({"name": name}, clock(), generation=False)
                store.put(NAMESPACES, ("", name), new_namespace({"metadata": metadata}))
        return cluster

    def serve(self, definition: Json) -> None:
        """Serve the kinds of a definition in place of the earlier ones."""
        spec = definition["spec"]
        self.registry.remove(spec["group"], spec["names"]["plural"])
        kinds = kinds_of(definition, self.clock)
        for kind in kinds:
            self.registry.add(kind)
        storage = next((kind for kind in kinds if kind.api_version == kind.storage_version), None)
        if storage:
            self.store.reread(storage.resource, storage.decode)

    def record(self, call: Call) -> Record:
        """Return the object that a request names.

        Raises:
            StatusError: the object does not exist (404).
        """
        record = self.store.get(call.kind.resource, call.key)
        if not record:
            raise not_found(call.kind.group, call.kind.plural, call.name)
        return record

    def check_namespace(self, call: Call, name: str) -> None:
        """Raise an error for a new object if its namespace does not exist or is being deleted.

        Raises:
            StatusError: the namespace does not exist (404) or is being deleted (403).
        """
        if not call.namespace:
            return
        namespace = self.store.get(NAMESPACES, ("", call.namespace))
        if not namespace:
            raise not_found("", NAMESPACES, call.namespace)
        if "deletionTimestamp" in namespace.value["metadata"]:
            kind = call.kind
            raise namespace_terminating(kind.group, kind.plural, name, call.namespace)

    def check_definition(self, call: Call, name: str) -> None:
        """Raise an error for a new object if the definition of its kind is being deleted.

        Raises:
            StatusError: the definition is being deleted (403).
        """
        definition = self.store.get(DEFINITIONS, ("", call.kind.resource))
        if definition and is_terminating(definition.value):
            raise definition_terminating(call.kind.group, call.kind.plural, name)

    def _on_definition_change(self, change: StoredChange) -> None:
        definition = change.record.value
        spec = definition["spec"]
        if change.type == "DELETED":
            self.registry.remove(spec["group"], spec["names"]["plural"])
        elif not change.previous or _changes_what_is_served(change.previous.value, definition):
            self.serve(definition)


def _changes_what_is_served(before: Json, now: Json) -> bool:
    if not is_same(before["spec"], now["spec"]):
        return True
    return is_terminating(before) != is_terminating(now)


def new_namespace(value: Json) -> Json:
    """Return a new namespace with the label, finalizer and phase that each one has."""
    metadata = value["metadata"]
    labels = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {**metadata, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
