"""WATCH: a stream of changes from a revision on.

1. What a client has not seen it gets, in order and once: kept changes first, then live ones, with
   no gap, because nothing else runs between the two.
2. With a selector, an object that comes to fit is ADDED and one that ceases to fit is DELETED,
   as it was when it last fitted.
3. Without a revision, or from 0, the stream begins with all objects as ADDED.
4. A bookmark says up to where the client has seen everything.
5. A client that does not read is cut off, and may come again from where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

from grctl_local.errors import ApiError, Json, expired
from grctl_local.kinds.views import View, view
from grctl_local.store import Change, Record, dump
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.reading import asked_revision, selected, sorted_records
from grctl_local.verbs.request import Call

BOOKMARK_EVERY = 55.0  # s: clients expect one a minute
DEFAULT_TIMEOUT = 1800.0  # s: upstream's least
LARGEST_BACKLOG = 50_000  # events: a client that is this far behind does not read
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Watch:
    """One client's stream. The request is checked at once; `lines` is the stream."""

    def __init__(self, cluster: Cluster, call: Call) -> None:
        self._cluster = cluster
        self._call = call
        self._fits = selected(call)
        self._view: View = view(call.kind, call.accept, call.query.get("includeObject", ""))
        self._bookmarks = call.flag("allowWatchBookmarks")
        self._sends_initial = _sends_initial(call)
        self._since = asked_revision(call)
        self._timeout = call.integer("timeoutSeconds") or DEFAULT_TIMEOUT
        self._backlog: list[tuple[str, Record]] = []
        self._wake = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        """End the stream."""
        self._ended = True
        self._wake.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """Give the stream, several lines at a time."""
        store = self._cluster.store
        if self._since and self._since < store.compacted:
            yield self._expired()
            return
        with ExitStack() as stack:
            stack.callback(store.watch(self._call.kind.resource, self._take))
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
                self._take(change)
        yield self._drain()

    async def _live_lines(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end, next_bookmark = loop.time() + self._timeout, loop.time() + BOOKMARK_EVERY
        while not self._ended and (now := loop.time()) < end:
            if self._bookmarks and now >= next_bookmark:
                next_bookmark = now + BOOKMARK_EVERY
                yield self._drain() + self._bookmark()
            try:
                async with asyncio.timeout_at(min(end, next_bookmark)):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()
            yield self._drain()

    def _take(self, change: Change) -> None:
        record = change.record
        if self._call.namespace and record.key[0] != self._call.namespace:
            return
        if self._ended or record.revision <= self._since:
            return
        seen = self._seen(change)
        if seen:
            self._backlog.append(seen)
            self._wake.set()
        if len(self._backlog) > LARGEST_BACKLOG:
            self._backlog.clear()
            self.end()

    def _seen(self, change: Change) -> tuple[str, Record] | None:
        """Say what a change is to this client, if it is anything."""
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
        return b'{"type":"%b","object":%b}\n' % (type_.encode(), self._view.streamed(record))

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


def error_line(error: ApiError) -> bytes:
    """Give the event that ends a stream with an error."""
    return b'{"type":"ERROR","object":%b}\n' % dump(error.status)


def _at_revision(change: Change) -> Record:
    """Give the object as it last fitted, at the revision of the change that ended that."""
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
