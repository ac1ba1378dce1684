"""DELETE of one object or of a collection.

1. An object with finalizers is only marked. The write that removes its last finalizer removes it
   (see writing.py).
2. The policies Foreground and Orphan add a finalizer, which the garbage collector removes.
3. Preconditions are checked before anything is changed.
"""

from typing import Any

import orjson

from grctl_local.clock import timestamp
from grctl_local.errors import Json, bad_request, conflict, success
from grctl_local.kinds.builtin import DEFINITIONS, NAMESPACES
from grctl_local.kinds.definitions import CLEANUP, terminate
from grctl_local.kinds.rendering import PlainRenderer
from grctl_local.store import Record, dump
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.decoding import json_error
from grctl_local.verbs.reading import selector_of, sorted_records
from grctl_local.verbs.request import Call

FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


def delete(cluster: Cluster, call: Call) -> bytes:
    """Delete an object. Return the answer: the marked object, or a Status if it is removed.

    Raises:
        StatusError: the object does not exist, or a precondition fails.
    """
    options = read_options(call)
    record = cluster.record(call)
    _check_preconditions(call, record, options.get("preconditions") or {})
    remaining = remove(cluster, call, record, options)
    if remaining:
        return remaining.data
    metadata = record.value["metadata"]
    return dump(success(call.name, call.kind.group, call.kind.plural, metadata["uid"]))


def delete_collection(cluster: Cluster, call: Call) -> bytes:
    """Delete the objects that the request selects. Return them as a list.

    Raises:
        StatusError: the options or the selectors cannot be read.
    """
    options, fits = read_options(call), selector_of(call)
    records = sorted_records(cluster.store.records(call.kind.resource), call.namespace)
    chosen = [record for record in records if not fits or fits(record.value)]
    for record in chosen:
        remove(cluster, call, record, options)
    metadata = {"resourceVersion": str(cluster.store.revision), "continue": ""}
    return PlainRenderer(call.kind).render_list(chosen, metadata)


def remove(cluster: Cluster, call: Call, record: Record, options: Json) -> Record | None:
    """Remove an object, or mark it as being deleted. Return the marked object, or None."""
    policy = options.get("propagationPolicy") or ""
    metadata = record.value["metadata"]
    finalizers = [*metadata.get("finalizers", ())]
    if policy in FINALIZERS and FINALIZERS[policy] not in finalizers:
        finalizers.append(FINALIZERS[policy])
    is_namespace = call.kind.resource == NAMESPACES
    if call.kind.resource == DEFINITIONS and CLEANUP not in finalizers:
        finalizers.append(CLEANUP)
    dry_run = call.dry_run or options.get("dryRun") == ["All"]
    if not finalizers and not is_namespace:
        if not dry_run:
            cluster.store.delete(call.kind.resource, record.key)
        return None
    if "deletionTimestamp" in metadata and finalizers == metadata.get("finalizers", []):
        return record
    marked = _mark(cluster, call, record, finalizers)
    if is_namespace:
        marked = {**marked, "status": {**marked.get("status", {}), "phase": "Terminating"}}
    if call.kind.resource == DEFINITIONS:
        marked = terminate(marked, cluster.clock())
    if dry_run:
        return Record.of(record.key, record.revision, marked, marked)
    return cluster.store.put(call.kind.resource, record.key, marked)


def read_options(call: Call) -> Json:
    """Return the DeleteOptions of body and query.

    Raises:
        StatusError: they cannot be read, or name an unknown policy.
    """
    options: Any = {}
    if call.body:
        try:
            options = orjson.loads(call.body)
        except orjson.JSONDecodeError as error:
            message = f"couldn't get version/kind; json parse error: {json_error(call.body, error)}"
            raise bad_request(message) from error
    if not isinstance(options, dict):
        raise bad_request("couldn't get version/kind; json parse error: json: cannot unmarshal")
    if policy := call.query.get("propagationPolicy"):
        options["propagationPolicy"] = policy
    policy = options.get("propagationPolicy") or "Background"
    if policy not in {"Foreground", "Background", "Orphan"}:
        supported = '"Foreground", "Background", "Orphan", "nil"'
        message = f'Unsupported value: "{policy}": supported values: {supported}'
        raise call.bad_option("propagationPolicy", message, options="DeleteOptions")
    return options


def _check_preconditions(call: Call, record: Record, preconditions: Json) -> None:
    kind, metadata = call.kind, record.value["metadata"]
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    why = ""
    if uid not in {None, metadata["uid"]}:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record"
            f" ({metadata['uid']}). The object might have been deleted and then recreated"
        )
    elif version not in {None, str(record.revision)}:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the"
            f" ResourceVersion in record ({record.revision}). The object might have been modified"
        )
    if why:
        raise conflict(kind.group, kind.kind, call.name, why)


def _mark(cluster: Cluster, call: Call, record: Record, finalizers: list[str]) -> Json:
    metadata = {**record.value["metadata"]}
    if finalizers:
        metadata["finalizers"] = finalizers
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = timestamp(cluster.clock())
        if call.kind.custom:
            metadata["deletionGracePeriodSeconds"] = 0
            metadata["generation"] += 1
    return {**record.value, "metadata": metadata}
