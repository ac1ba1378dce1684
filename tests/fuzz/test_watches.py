"""Odd runs and events through the watches: none ends, and what is healthy beside them is known.

A real client reads them from a server that says what it is told, and real caches take them in.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import strategies as st

from grctl.kube import Api, Connection
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.watch.event_stream import EventStream
from grctl_operator.runtime.watch.run_stream import RunStream
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.payloads import KEPT_PAYLOAD_BYTES, NOT_KEPT
from grctl_operator.views.reading import UnreadableError
from tests.fuzz.objects import event, metadata, run
from tests.fuzz.odd import as_bytes, odd, paths, with_oddities, written
from tests.fuzz.rounds import OBJECTS, OBJECTS_PER_EXAMPLE, examples_of, in_rounds
from tests.runtime.watch.intakes import intake

Json = dict[str, Any]

PATIENCE_S = 60.0
CHANGES = ("ADDED", "MODIFIED", "DELETED")
HEALTHY = Key("shop", "healthy")

events = st.integers(0, 2).flatmap(lambda at: with_oddities(event(f"odd-{at}", 10)))
runs = st.integers(0, 2).flatmap(lambda at: with_oddities(run(f"odd-{at}", 10)))
objects = st.one_of(events, runs, odd)
changes = st.lists(
    st.tuples(st.sampled_from(CHANGES), objects),
    min_size=OBJECTS_PER_EXAMPLE,
    max_size=OBJECTS_PER_EXAMPLE,
)


class NoCredentials:
    """Credentials that add no headers."""

    async def headers(self) -> list[tuple[str, str]]:
        return []


class Scripted:
    """An API server that lists some objects and then streams others."""

    def __init__(self) -> None:
        self.listed: list[bytes] = []
        self.streamed: list[bytes] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            items = b",".join(self.listed)
            return web.Response(body=b'{"metadata":{"resourceVersion":"5"},"items":[%b]}' % items)
        response = web.StreamResponse()
        await response.prepare(request)
        for line in self.streamed:
            await response.write(line + b"\n")
        self.streamed = []
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return response


class Caches:
    """What an operator has between the API server and its reconciles."""

    def __init__(self, api: Api, clock: ServerClock) -> None:
        parts = intake(api, clock=clock)
        self.runs, self.events = parts.runs, parts.events
        self.of_runs = RunStream(parts).watch
        self.of_events = EventStream(parts).watch

    def look(self) -> None:
        """Ask for everything, as reconciles do."""
        for key in tuple(self.runs.get_versions()):
            with suppress(UnreadableError):
                self.runs.get(key)
        for key in tuple(self.events.keys()):
            list(self.events.of(key).get_view(key))


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Scripted, Caches]]:
    server = Scripted()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    async with TestServer(app) as http:
        url = str(http.make_url("")).rstrip("/")
        connection = Connection(url, "shop", tls=None, credentials=NoCredentials())
        clock = ServerClock(time.monotonic, on_jump=lambda _: None)
        async with Api(connection, on_answer=clock.on_answer) as api:
            yield server, Caches(api, clock)


def line(change: str, text: str) -> bytes:
    return b'{"type":"%b","object":%b}' % (change.encode(), as_bytes(text))


def last(text: str) -> list[bytes]:
    """A healthy object, and the bookmark behind it."""
    bookmark = written({"metadata": metadata("", "", 1000)}, {})
    return [line("ADDED", text), line("BOOKMARK", bookmark)]


async def follow_until(watch: Any, revision: int) -> None:
    """Follow a watch until it has reached a revision."""
    following = asyncio.create_task(watch.run())
    async with asyncio.timeout(PATIENCE_S):
        while watch.revision < revision:
            assert not following.done(), following.exception()
            await asyncio.sleep(0)
    following.cancel()


async def through_the_watches(listed: list[str], sent: list[tuple[str, str]]) -> Caches:
    async with scripted() as (server, caches):
        for watch, healthy in (
            (caches.of_runs, run("healthy", 900)),
            (caches.of_events, event("healthy", 900)),
        ):
            server.listed = [as_bytes(each) for each in listed]
            text = written(healthy, {})
            server.streamed = [line(*each) for each in sent] + last(text)
            await follow_until(watch, 1000)
            caches.look()
        return caches


@in_rounds(examples_of(OBJECTS), st.lists(objects, max_size=OBJECTS_PER_EXAMPLE), changes)
def test_odd_objects_end_no_watch_and_hide_no_other_object(
    listed: list[str], sent: list[tuple[str, str]]
) -> None:
    caches = asyncio.run(through_the_watches(listed, sent))
    found = caches.runs.get(HEALTHY)
    assert found is not None
    assert found.status.commits == 3
    assert "healthy" in [each.name for each in caches.events.of(HEALTHY).get_view(HEALTHY)]


def test_every_field_may_be_missing_or_of_another_type() -> None:
    sent = [
        ("ADDED", written(healthy, {path: value}))
        for healthy in (run("odd", 10), event("odd", 10))
        for path in sorted(set(paths(healthy)))
        for value in ("", "null", "7", '"text"', "[1]", '{"a":1}', "1e308", "[[[[]]]]")
    ]
    caches = asyncio.run(through_the_watches([], sent))
    assert caches.runs.get(HEALTHY) is not None


def test_payloads_that_wait_take_no_more_memory_than_their_budget() -> None:
    payload = f'"{"x" * 498 * 1024}"'
    listed = [written(event(f"e{at}", 10), {".spec.payload": payload}) for at in range(40)]
    sent = [
        ("ADDED", written(event(f"w{at}", 11 + at), {".spec.payload": payload})) for at in range(40)
    ]
    caches = asyncio.run(through_the_watches(listed, sent))
    waiting = list(caches.events.of(HEALTHY).get_view(HEALTHY))
    assert len(waiting) == 81
    kept = KEPT_PAYLOAD_BYTES // len(payload)
    assert sum(each.payload is NOT_KEPT for each in waiting) >= 80 - kept
    assert caches.events.get(None).budget.kept <= KEPT_PAYLOAD_BYTES
