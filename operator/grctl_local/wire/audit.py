"""The audit log: one JSON object a line for each request and its status code.

1. Verbs and resources are those of RBAC, so the log shows what a Role must allow.
2. A line is written with the answer. A watch has one line, which is written when it begins.
3. A line holds the name of an object, nothing else of it, and nothing of the query. So no payload
   can be in the log.
"""

from pathlib import Path
from typing import TextIO

from aiohttp import web

from grctl_local.clock import Clock
from grctl_local.errors import Json, StatusError
from grctl_local.store import dump
from grctl_local.verbs.request import parse_path

VERBS_OF_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}
VERBS_OF_ONE = {"GET": "get", "HEAD": "get", "DELETE": "delete"}
VERBS_OF_MANY = {"GET": "list", "HEAD": "list", "DELETE": "deletecollection"}


class AuditLog:
    """The log in a file. Lines are added after those that the file has.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        self._clock = clock

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def record_answer(self, request: web.BaseRequest, code: int, *, watch: bool = False) -> None:
        """Write the line of a request that was answered with a status code."""
        entry = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            **describe_request(request.method, request.path, watch=watch),
            "userAgent": request.headers.get("User-Agent", ""),
            "code": code,
        }
        self._file.write(dump(entry).decode() + "\n")


def describe_request(method: str, path: str, *, watch: bool = False) -> Json:
    """Return the verb and resource of a request, or its path if it names no resource."""
    try:
        parts = parse_path(path)
    except StatusError:
        return {"verb": method.lower(), "path": path}
    by_name = VERBS_OF_ONE if parts.name else VERBS_OF_MANY
    verb = VERBS_OF_WRITES.get(method) or by_name.get(method, method.lower())
    named = {
        "group": parts.group,
        "resource": parts.plural,
        "subresource": parts.subresource,
        "namespace": parts.namespace,
        "name": parts.name,
    }
    return {
        "verb": "watch" if watch else verb,
        **{key: part for key, part in named.items() if part},
    }
