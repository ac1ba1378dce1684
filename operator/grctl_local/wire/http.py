"""HTTP: call the verb of each request, and answer with JSON or a stream.

1. Requests are handled one after the other, from the read body to the answer, because no verb
   awaits.
2. A request without the token gets health and version only.
3. Each answer is written to the audit log, if there is one.
"""

import asyncio
import hmac
import logging
from collections.abc import Iterable
from email.utils import format_datetime

from aiohttp import web

from grctl_local.errors import (
    Json,
    NoSuchPathError,
    StatusError,
    bad_request,
    method_not_allowed,
    no_such_path,
    not_found,
    too_large_body,
    unauthorized,
)
from grctl_local.store import Record, dump
from grctl_local.verbs.callers import caller_of, check_allowed
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.decoding import read_body, read_object
from grctl_local.verbs.deletion import delete, delete_collection
from grctl_local.verbs.patching import patch
from grctl_local.verbs.reading import get, list_objects, renderer_for
from grctl_local.verbs.request import Call, find_kind, parse_path
from grctl_local.verbs.reviews import answer
from grctl_local.verbs.tokens import ACCOUNTS, request_token
from grctl_local.verbs.watching import Watch
from grctl_local.verbs.writing import create, replace
from grctl_local.wire import discovery, openapi, openapi_v2
from grctl_local.wire.audit import AuditLog

MAX_BODY_BYTES = 3 * 1024 * 1024  # the limit of a kube-apiserver
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})

log = logging.getLogger(__name__)


class RequestHandler:
    """Handles the HTTP requests to one cluster."""

    def __init__(self, cluster: Cluster, token: str, audit: AuditLog | None = None) -> None:
        self._cluster = cluster
        self._audit = audit
        self._token = f"Bearer {token}".encode()
        self._watches: set[Watch] = set()
        self._date: tuple[int, str] = (0, "")

    def end_watches(self) -> None:
        """End the streams of all watches, because the server stops."""
        for watch in self._watches:
            watch.end()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to a request. Write it to the audit log."""
        response = await self._handle(request)
        if self._audit is not None and isinstance(response, web.Response):
            self._audit.record_answer(request, response.status)
        return response

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        warnings: list[str] = []
        try:
            return await self._answer(request, warnings)
        except StatusError as error:
            return self._refusal(error, warnings)
        except Exception:
            log.exception("request failed: %s %s", request.method, request.path)
            return self._refusal(StatusError(500, "InternalError", "Internal error occurred"), [])

    async def _answer(self, request: web.BaseRequest, warnings: list[str]) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path in OPEN_PATHS or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return self._open_path(path)
        self._check_token(request)
        document = self._document(path, request.headers.get("Accept", ""))
        if document is not None:
            return document
        call = await self._call(request, warnings)
        check_allowed(self._cluster.store, request.method, call)
        if call.watch:
            return await self._stream(request, call)
        status, body = self._verb(request.method, call)
        return self._json(body, status, warnings)

    def _open_path(self, path: str) -> web.Response:
        if path == "/version":
            return self._json(dump(discovery.SERVER_VERSION))
        return web.Response(text="ok", headers=self._headers())

    def _check_token(self, request: web.BaseRequest) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._token):
            raise unauthorized()

    async def _call(self, request: web.BaseRequest, warnings: list[str]) -> Call:
        path = parse_path(request.path)
        query = dict(request.query)
        kind = find_kind(self._cluster.registry, path)
        watch = path.watch or query.get("watch", "").lower() in {"true", "1"}
        return Call(
            kind=kind,
            namespace=path.namespace,
            name=path.name,
            subresource=path.subresource,
            query=query,
            accept=request.headers.get("Accept", ""),
            content_type=_content_type(request),
            body=await _body(request) if request.body_exists else b"",
            user_agent=request.headers.get("User-Agent", ""),
            watch=watch and request.method == "GET" and (path.watch or not path.name),
            warnings=warnings,
            caller=caller_of(request.headers),
        )

    def _verb(self, method: str, call: Call) -> tuple[int, bytes]:
        if call.kind.is_review or (call.subresource == "token" and call.kind.plural == ACCOUNTS):
            return 201, dump(self._answer_review(method, call))
        if call.subresource and not (call.subresource == "status" and call.kind.has_status):
            raise not_found(call.kind.group, call.kind.plural, call.name)
        match method:
            case "GET":
                return 200, self._get(call)
            case "POST":
                return self._render(201, self._create(call), call)
            case "PUT":
                return self._render(200, self._replace(call), call)
            case "PATCH":
                if not call.name:
                    raise method_not_allowed()
                return self._render(*patch(self._cluster, call), call)
            case "DELETE":
                return 200, self._delete(call)
            case _:
                raise method_not_allowed()

    def _answer_review(self, method: str, call: Call) -> Json:
        """Return the answer to a review or a TokenRequest. Neither is stored."""
        if method != "POST":
            raise method_not_allowed()
        if call.kind.is_review:
            return answer(self._cluster, call, self._token.decode().removeprefix("Bearer "))
        return request_token(self._cluster, call, read_body(call))

    def _get(self, call: Call) -> bytes:
        return get(self._cluster, call) if call.name else list_objects(self._cluster, call)

    def _create(self, call: Call) -> Record:
        if call.kind.namespaced and not call.namespace:
            raise no_such_path()
        value = read_object(call)
        if call.name:
            value["metadata"]["name"] = call.name
            call.name = ""
        return create(self._cluster, call, value)

    def _replace(self, call: Call) -> Record:
        if not call.name:
            raise bad_request("name must be provided")
        before = self._cluster.record(call)
        return replace(self._cluster, call, read_object(call), before)

    def _delete(self, call: Call) -> bytes:
        return delete(self._cluster, call) if call.name else delete_collection(self._cluster, call)

    def _render(self, status: int, record: Record, call: Call) -> tuple[int, bytes]:
        return status, renderer_for(call).render_one(record)

    async def _stream(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        watch = Watch(self._cluster, call)
        response = web.StreamResponse(headers=self._headers())
        response.content_type = "application/json"
        response.enable_chunked_encoding()
        await response.prepare(request)
        if self._audit is not None:
            self._audit.record_answer(request, response.status, watch=True)
        self._watches.add(watch)
        try:
            async for lines in watch.lines():
                if lines:
                    await response.write(lines)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            pass  # most watches end because the client disconnects
        finally:
            self._watches.discard(watch)
        return response

    def _document(self, path: str, accept: str) -> web.Response | None:
        if path == "/openapi/v2":
            return self._openapi_v2(accept)
        parts = path.strip("/").split("/")
        registry = self._cluster.registry
        found: Json | None = None
        if parts[0] in {"api", "apis"} and len(parts) == 1:
            return self._groups(parts[0], accept)
        if parts[0] == "api" and len(parts) == 2:
            found = discovery.resource_list(registry, "", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.group(registry, parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.resource_list(registry, parts[1], parts[2])
        elif parts[:2] == ["openapi", "v3"]:
            found = self._openapi(parts[2:])
        else:
            return None
        if found is None:
            raise no_such_path()
        return self._json(dump(found))

    def _groups(self, root: str, accept: str) -> web.Response:
        registry = self._cluster.registry
        if discovery.wants_aggregated(accept):
            body = dump(discovery.aggregated(registry, core=root == "api"))
            return self._json(body, content_type=discovery.AGGREGATED)
        if root == "api":
            return self._json(dump(discovery.core_versions("127.0.0.1")))
        return self._json(dump(discovery.group_list(registry)))

    def _openapi_v2(self, accept: str) -> web.Response:
        document = openapi_v2.document(self._cluster.registry)
        if openapi_v2.V2_PROTOBUF in accept:
            body = openapi_v2.encode(document)
            return self._json(body, content_type=openapi_v2.V2_PROTOBUF_ANSWER)
        return self._json(dump(document))

    def _openapi(self, parts: list[str]) -> Json | None:
        registry = self._cluster.registry
        match parts:
            case []:
                return openapi.index(registry)
            case ["api", version]:
                return openapi.document(registry, "", version)
            case ["apis", group, version]:
                return openapi.document(registry, group, version)
            case _:
                return None

    def _refusal(self, error: StatusError, warnings: list[str]) -> web.Response:
        if isinstance(error, NoSuchPathError):
            return web.Response(text=error.message + "\n", status=404, headers=self._headers())
        response = self._json(dump(error.status), error.code, warnings)
        if error.code in {429, 504}:
            response.headers["Retry-After"] = "1"
        return response

    def _json(
        self,
        body: bytes,
        status: int = 200,
        warnings: Iterable[str] = (),
        content_type: str = "application/json",
    ) -> web.Response:
        headers = self._headers()
        headers["Content-Type"] = content_type
        response = web.Response(body=body, status=status, headers=headers)
        for warning in warnings:
            text = warning.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{text}"')
        return response

    def _headers(self) -> dict[str, str]:
        now = self._cluster.clock()
        second = int(now.timestamp())
        if second != self._date[0]:
            self._date = (second, format_datetime(now, usegmt=True))
        return {"Date": self._date[1], "Cache-Control": "no-cache, private"}


def _content_type(request: web.BaseRequest) -> str:
    """Return the Content-Type of a request, or "", which means JSON."""
    return request.content_type if request.headers.get("Content-Type") else ""


async def _body(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large_body(MAX_BODY_BYTES) from None
