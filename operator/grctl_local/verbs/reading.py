"""GET: one object, or a list of them.

1. Pages of a list are all of the revision of the first; the continue token says which, and where
   to go on. It needs no memory, so it survives a restart.
2. Objects come sorted by namespace and name, as etcd keeps them.
"""

import base64
import binascii
import re
from itertools import islice
from typing import Any

import orjson

from grctl_local.errors import Json, bad_request, too_large_resource_version
from grctl_local.kinds.selectors import Selector, selector
from grctl_local.kinds.views import view
from grctl_local.store import Key, Record
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.request import Call

MATCHES = ("", "Exact", "NotOlderThan")


def get(cluster: Cluster, call: Call) -> bytes:
    """Show an object.

    Raises:
        ApiError: there is none.
    """
    check_revision(cluster, asked_revision(call))
    shown = view(call.kind, call.accept, call.query.get("includeObject", ""))
    return shown.one(cluster.record(call))


def list_objects(cluster: Cluster, call: Call) -> bytes:
    """Show all objects that are selected, or a page of them.

    Raises:
        ApiError: the request cannot be read, or its revision is not there any more or not yet.
    """
    shown = view(call.kind, call.accept, call.query.get("includeObject", ""))
    fits = selected(call)
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
    return shown.many(page, metadata)


def selected(call: Call) -> Selector | None:
    """Read the selectors of a request.

    Raises:
        ApiError: they are refused.
    """
    labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    if call.name:
        fields = f"metadata.name={call.name},{fields}"
    return selector(call.kind, labels, fields)


def sorted_records(records: dict[Key, Record], namespace: str) -> list[Record]:
    """Give the records of a namespace, or all, in order."""
    found = [record for key, record in records.items() if key[0] == namespace or not namespace]
    return sorted(found, key=lambda record: record.key)


def asked_revision(call: Call) -> int:
    """Give the resourceVersion of the query; 0 where there is none.

    Raises:
        ApiError: it is no number.
    """
    text = call.query.get("resourceVersion", "")
    if not re.fullmatch("[0-9]*", text):
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}":'
            f' strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text or 0)


def check_revision(cluster: Cluster, revision: int) -> None:
    """Refuse a revision of the future.

    Raises:
        ApiError: it is one.
    """
    if revision > cluster.store.revision:
        raise too_large_resource_version(revision, cluster.store.revision)


def _start(cluster: Cluster, call: Call) -> tuple[int, Key]:
    """Say at which revision, and after which object, a list begins."""
    asked, match = asked_revision(call), _match(call)
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
