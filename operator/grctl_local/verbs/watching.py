"""WATCH: a stream of changes that begins at a revision.

1. A client gets each change after its revision once and in order: first the kept changes, then the
   live ones. No change is lost between the two, because no write can happen between them.
2. With a selector, an object that begins to fit is ADDED. An object that ceases to fit is DELETED,
   in its last state that fitted.
3. Without a revision, or from 0, the stream begins with all objects as ADDED.
4. A bookmark tells the client the revision up to which it has seen everything.
5. A client that does not read is disconnected. It may watch again from its last revision.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

from grctl_local.errors import Json, StatusError, expired
from grctl_local.store import Record, StoredChange, dump
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.reading import (
    renderer_for,
    requested_revision,
    selector_of,
    sorted_records,
)
from grctl_local.verbs.request import Call

BOOKMARK_INTERVAL_S = 55.0  # clients expect a bookmark each minute
DEFAULT_WATCH_TIMEOUT_S = 1800.0  # the shortest that a kube-apiserver takes by default
MAX_BACKLOG_COUNT = 50_000  # a client that is this many events behind does not read
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Watch:
    """The stream of one client. The constructor checks the request, `lines` is the stream."""

    def __init__(self, cluster: Cluster, call: Call) -> None:
        self._cluster = cluster
        self._call = call
        self._fits = selector_of(call)
        self._renderer = renderer_for(call)
        self._bookmarks = call.flag("allowWatchBookmarks")
        self._sends_initial = _sends_initial(call)
        self._since = requested_revision(call)
        self._timeout = call.integer("timeoutSeconds") or DEFAULT_WATCH_TIMEOUT_S
        self._backlog: list[tuple[str, Record]] = []
        self._wake = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        """End the stream."""
        self._ended = True
        self._wake.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the stream, several lines at a time."""
        store = self._cluster.store
        if self._since and self._since < store.compacted:
            yield self._expired()
            return
        with ExitStack() as stack:
            stack.callback(store.watch(self._call.kind.resource, self._on_change))
            yield b"".join(self._first_lines())
            async for lines in self._live_lines():
                yield lines

    def _first_lines(self) -> Iterator[bytes]:
        store = self._cluster.store
        if self._sends_initial or (self._sends_initial is None and not self._since):
            records = store.records(self._call.kind.resource)
            for record in sorted_records(records, self._call.namespace):
                if not self._fits or self._fits(record.value):
                    yield self._line("ADDED", record)
            self._since = store.revision
            if self._sends_initial and self._bookmarks:
                yield self._bookmark(initial=True)
            return
        for change in store.changes_since(self._since):
            if change.resource == self._call.kind.resource:
                self._on_change(change)
        yield self._drain()

    async def _live_lines(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end, next_bookmark = loop.time() + self._timeout, loop.time() + BOOKMARK_INTERVAL_S
        while not self._ended and (now := loop.time()) < end:
            if self._bookmarks and now >= next_bookmark:
                next_bookmark = now + BOOKMARK_INTERVAL_S
                yield self._drain() + self._bookmark()
            try:
                async with asyncio.timeout_at(min(end, next_bookmark)):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()
            yield self._drain()

    def _on_change(self, change: StoredChange) -> None:
        record = change.record
        if self._call.namespace and record.key[0] != self._call.namespace:
            return
        if self._ended or record.revision <= self._since:
            return
        seen = self._event_for_client(change)
        if seen:
            self._backlog.append(seen)
            self._wake.set()
        if len(self._backlog) > MAX_BACKLOG_COUNT:
            self._backlog.clear()
            self.end()

    def _event_for_client(self, change: StoredChange) -> tuple[str, Record] | None:
        """Return the event that a change is for this client, or None if it is not one."""
        if not self._fits:
            return change.type, change.record
        fitted = change.previous is not None and self._fits(change.previous.value)
        fits = change.type != "DELETED" and self._fits(change.record.value)
        if fits:
            return ("MODIFIED" if fitted else "ADDED"), change.record
        if fitted and change.previous:
            return "DELETED", _at_revision(change)
        return None

    def _drain(self) -> bytes:
        backlog, self._backlog = self._backlog, []
        return b"".join(self._line(type_, record) for type_, record in backlog)

    def _line(self, type_: str, record: Record) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (
            type_.encode(),
            self._renderer.render_streamed(record),
        )

    def _bookmark(self, *, initial: bool = False) -> bytes:
        metadata: Json = {"resourceVersion": str(self._cluster.store.revision)}
        if initial:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        kind = self._call.kind
        shown = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        return b'{"type":"BOOKMARK","object":%b}\n' % dump(shown)

    def _expired(self) -> bytes:
        oldest = self._cluster.store.compacted
        error = expired(f"too old resource version: {self._since} ({oldest})")
        return error_line(error)


def error_line(error: StatusError) -> bytes:
    """Return the event that ends a stream with an error."""
    return b'{"type":"ERROR","object":%b}\n' % dump(error.status)


def _at_revision(change: StoredChange) -> Record:
    """Return the last state that fitted, at the revision of the change that no longer fits."""
    if change.type == "DELETED" or not change.previous:
        return change.record
    before, revision = change.previous.value, change.record.revision
    metadata = {**before["metadata"], "resourceVersion": str(revision)}
    value = {**before, "metadata": metadata}
    return Record.of(change.record.key, revision, value, value)


def _sends_initial(call: Call) -> bool | None:
    if "sendInitialEvents" not in call.query:
        if call.query.get("resourceVersionMatch"):
            message = (
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents"
                " is provided"
            )
            raise call.bad_option("resourceVersionMatch", message, options="ListOptions")
        return None
    if call.query.get("resourceVersionMatch") != "NotOlderThan":
        message = (
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
        raise call.bad_option("resourceVersionMatch", message, options="ListOptions")
    return call.flag("sendInitialEvents")
