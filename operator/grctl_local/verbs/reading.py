"""GET of one object or of a list.

1. All pages of a list show the revision of the first page. The continue token holds the revision
   and the last object. So the server keeps no state for it, and it survives a restart.
2. Objects are sorted by namespace and name, as etcd keeps them.
"""

import base64
import binascii
import re
from itertools import islice
from typing import Any

import orjson

from grctl_local.errors import Json, bad_request, too_large_resource_version
from grctl_local.kinds.rendering import Renderer, choose_renderer
from grctl_local.kinds.selectors import Selector, selector
from grctl_local.store import Key, Record
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.request import Call

MATCHES = ("", "Exact", "NotOlderThan")


def get(cluster: Cluster, call: Call) -> bytes:
    """Return the answer with one object.

    Raises:
        StatusError: the object does not exist.
    """
    check_revision(cluster, requested_revision(call))
    return renderer_for(call).render_one(cluster.record(call))


def list_objects(cluster: Cluster, call: Call) -> bytes:
    """Return the answer with all selected objects, or with one page of them.

    Raises:
        StatusError: the request is invalid, or its revision was compacted or does not exist yet.
    """
    renderer = renderer_for(call)
    fits = selector_of(call)
    revision, start = _start(cluster, call)
    records = sorted_records(cluster.store.snapshot(call.kind.resource, revision), call.namespace)
    left = [record for record in records if record.key > start and (not fits or fits(record.value))]
    limit = call.integer("limit")
    page = list(islice(left, limit)) if limit > 0 else left
    metadata: Json = {"resourceVersion": str(revision)}
    if call.kind.custom:
        metadata["continue"] = ""
    if len(page) < len(left):
        metadata["continue"] = _token(revision, page[-1].key)
        if not fits:
            metadata["remainingItemCount"] = len(left) - len(page)
    return renderer.render_list(page, metadata)


def renderer_for(call: Call) -> Renderer:
    """Return the renderer for the form that a request accepts.

    Raises:
        StatusError: this server has none of the accepted forms (406).
    """
    return choose_renderer(call.kind, call.accept, call.query.get("includeObject", ""))


def selector_of(call: Call) -> Selector | None:
    """Return the selector of a request, or None if it selects every object.

    Raises:
        StatusError: the selector is refused.
    """
    labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    if call.name:
        fields = f"metadata.name={call.name},{fields}"
    return selector(call.kind, labels, fields)


def sorted_records(records: dict[Key, Record], namespace: str) -> list[Record]:
    """Return the records of a namespace in order. "" means all namespaces."""
    found = [record for key, record in records.items() if key[0] == namespace or not namespace]
    return sorted(found, key=lambda record: record.key)


def requested_revision(call: Call) -> int:
    """Return the resourceVersion of the query, or 0 if it has none.

    Raises:
        StatusError: the resourceVersion is not a number.
    """
    text = call.query.get("resourceVersion", "")
    if not re.fullmatch("[0-9]*", text):
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}":'
            f' strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text or 0)


def check_revision(cluster: Cluster, revision: int) -> None:
    """Raise an error if a revision does not exist yet.

    Raises:
        StatusError: the revision is larger than that of the last write (504).
    """
    if revision > cluster.store.revision:
        raise too_large_resource_version(revision, cluster.store.revision)


def _start(cluster: Cluster, call: Call) -> tuple[int, Key]:
    """Return the revision of a list, and the key after which it begins."""
    asked, match = requested_revision(call), _match(call)
    token = call.query.get("continue", "")
    if token:
        if call.query.get("resourceVersion", "0") != "0":
            raise bad_request("specifying resource version is not allowed when using continue")
        return _read_token(token)
    check_revision(cluster, asked)
    return (asked if match == "Exact" else cluster.store.revision), ("", "")


def _match(call: Call) -> str:
    match = call.query.get("resourceVersionMatch", "")
    if match not in MATCHES:
        supported = '"Exact", "NotOlderThan", ""'
        message = f'Unsupported value: "{match}": supported values: {supported}'
        raise call.bad_option("resourceVersionMatch", message, options="ListOptions")
    if match and not call.query.get("resourceVersion"):
        message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise call.bad_option("resourceVersionMatch", message, options="ListOptions")
    return match


def _token(revision: int, after: Key) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(after) + "\0"}
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def _read_token(text: str) -> tuple[int, Key]:
    try:
        padded = text + "=" * (-len(text) % 4)
        token: Any = orjson.loads(base64.urlsafe_b64decode(padded))
        namespace, _, name = token["start"].removesuffix("\0").partition("/")
        return int(token["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
