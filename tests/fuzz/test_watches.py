"""Odd runs and events through the watches: none ends, and what is healthy beside them is known.

A real client reads them from a server that says what it is told, and real caches take them in.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from grctl.kube import Api, Connection
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.event_stream import EventStream
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.run_stream import RunStream
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.payloads import KEPT_PAYLOAD_BYTES, NOT_KEPT
from grctl_operator.views.reading import UnreadableError
from grctl_operator.views.runs import RunCache
from tests.fuzz.objects import event, metadata, run
from tests.fuzz.odd import as_bytes, odd, paths, with_oddities, written

Json = dict[str, Any]

AT_ONCE = 20  # objects of an example
EXAMPLES = int(os.environ.get("GRCTL_FUZZ_EXAMPLES", "400")) // (2 * AT_ONCE) + 1
PATIENCE = 60.0  # s
CHANGES = ("ADDED", "MODIFIED", "DELETED")
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking takes long, and the places are named
)
HEALTHY = Key("shop", "healthy")

events = st.integers(0, 2).flatmap(lambda at: with_oddities(event(f"odd-{at}", 10)))
runs = st.integers(0, 2).flatmap(lambda at: with_oddities(run(f"odd-{at}", 10)))
objects = st.one_of(events, runs, odd)
changes = st.lists(st.tuples(st.sampled_from(CHANGES), objects), min_size=AT_ONCE, max_size=AT_ONCE)


class Nobody:
    """Credentials of nobody."""

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
        self.runs, self.events = RunCache(), EventCaches()
        queue, passed_over = WorkQueue(), PassedOver(lambda _: None)
        journal = Journal(Metrics(), clock.now)
        self.of_runs = RunStream(
            api, self.runs, queue, passed_over=passed_over, on_restart=lambda _: None
        ).watch
        self.of_events = EventStream(
            api,
            self.events.get(None),
            self.runs,
            queue,
            clock=clock,
            journal=journal,
            passed_over=passed_over,
            on_restart=lambda _: None,
        ).watch

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
        connection = Connection(url, "shop", tls=None, credentials=Nobody())
        clock = ServerClock(time.monotonic, on_jump=lambda _: None)
        async with Api(connection, on_answer=clock.on_answer) as api:
            yield server, Caches(api, clock)


def line(change: str, text: str) -> bytes:
    return b'{"type":"%b","object":%b}' % (change.encode(), as_bytes(text))


def last(text: str) -> list[bytes]:
    """A healthy object, and the bookmark behind it."""
    bookmark = written({"metadata": metadata("", "", 1000)}, {})
    return [line("ADDED", text), line("BOOKMARK", bookmark)]


async def shown(watch: Any, revision: int) -> None:
    """Follow a watch until it has come so far."""
    following = asyncio.create_task(watch.run())
    async with asyncio.timeout(PATIENCE):
        while watch.revision < revision:
            assert not following.done(), following.exception()
            await asyncio.sleep(0)
    following.cancel()


async def through_the_watches(listed: list[str], said: list[tuple[str, str]]) -> Caches:
    async with scripted() as (server, caches):
        for watch, healthy in (
            (caches.of_runs, run("healthy", 900)),
            (caches.of_events, event("healthy", 900)),
        ):
            server.listed = [as_bytes(each) for each in listed]
            text = written(healthy, {})
            server.streamed = [line(*each) for each in said] + last(text)
            await shown(watch, 1000)
            caches.look()
        return caches


@FUZZ
@given(st.lists(objects, max_size=AT_ONCE), changes)
def test_odd_objects_end_no_watch_and_hide_nobody(
    listed: list[str], said: list[tuple[str, str]]
) -> None:
    caches = asyncio.run(through_the_watches(listed, said))
    found = caches.runs.get(HEALTHY)
    assert found is not None
    assert found.status.commits == 3
    assert "healthy" in [each.name for each in caches.events.of(HEALTHY).get_view(HEALTHY)]


def test_every_field_may_be_missing_or_of_another_type() -> None:
    said = [
        ("ADDED", written(healthy, {path: value}))
        for healthy in (run("odd", 10), event("odd", 10))
        for path in sorted(set(paths(healthy)))
        for value in ("", "null", "7", '"text"', "[1]", '{"a":1}', "1e308", "[[[[]]]]")
    ]
    caches = asyncio.run(through_the_watches([], said))
    assert caches.runs.get(HEALTHY) is not None


def test_payloads_that_wait_take_no_more_memory_than_their_budget() -> None:
    payload = f'"{"x" * 498 * 1024}"'
    listed = [written(event(f"e{at}", 10), {".spec.payload": payload}) for at in range(40)]
    said = [
        ("ADDED", written(event(f"w{at}", 11 + at), {".spec.payload": payload})) for at in range(40)
    ]
    caches = asyncio.run(through_the_watches(listed, said))
    waiting = list(caches.events.of(HEALTHY).get_view(HEALTHY))
    assert len(waiting) == 81
    kept = KEPT_PAYLOAD_BYTES // len(payload)
    assert sum(each.payload is NOT_KEPT for each in waiting) >= 80 - kept
    assert caches.events.get(None).budget.kept <= KEPT_PAYLOAD_BYTES
