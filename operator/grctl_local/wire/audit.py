"""The audit log: who asked for what and with which answer, one JSON object a line.

1. Verbs and resources are those of RBAC, so the log tells what a Role must allow.
2. A line is written with the answer; for a watch when it begins, not for what it brings.
3. Nothing of any object but its name, and nothing of the query: no payload can be in it.
"""

from pathlib import Path
from typing import TextIO

from aiohttp import web

from grctl_local.clock import Clock
from grctl_local.errors import ApiError, Json
from grctl_local.store import dump
from grctl_local.verbs.request import parse_path

WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}
OF_ONE = {"GET": "get", "HEAD": "get", "DELETE": "delete"}
OF_MANY = {"GET": "list", "HEAD": "list", "DELETE": "deletecollection"}


class AuditLog:
    """The log in a file. It is added to what the file holds already.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        self._clock = clock

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def answered(self, request: web.BaseRequest, code: int, *, watch: bool = False) -> None:
        """Write a line."""
        entry = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            **asked(request.method, request.path, watch=watch),
            "userAgent": request.headers.get("User-Agent", ""),
            "code": code,
        }
        self._file.write(dump(entry).decode() + "\n")


def asked(method: str, path: str, *, watch: bool = False) -> Json:
    """Say what a request asks for: verb and resource, or the path where it is about none."""
    try:
        place = parse_path(path)
    except ApiError:
        return {"verb": method.lower(), "path": path}
    by_name = OF_ONE if place.name else OF_MANY
    verb = WRITES.get(method) or by_name.get(method, method.lower())
    named = {
        "group": place.group,
        "resource": place.plural,
        "subresource": place.subresource,
        "namespace": place.namespace,
        "name": place.name,
    }
    return {
        "verb": "watch" if watch else verb,
        **{key: part for key, part in named.items() if part},
    }
