"""Leadership: takes the Lease when it is free, keeps it, gives it back. It is the operator's fence.

1. `remaining` says for how long this process may write. It is asked at each write, and measured by
   a clock that goes on while the machine sleeps: whoever was away for too long knows it at once.
2. A holder that cannot renew in time is suspended: it writes nothing. If a later renewal succeeds,
   nobody else held the Lease meanwhile (it would be another version), and it goes on.
3. When another holds the Lease the process ends: `LeadershipLostError`. The next one starts afresh.
4. Who stands by watches the Lease and asks for nothing: a release is seen at once.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol, cast

from grctl.kube import (
    LEASES,
    Api,
    ApiError,
    ConflictError,
    ExpiredError,
    NotFoundError,
    UnreachableError,
)
from grctl_operator.runtime.leader.lease import (
    Candidate,
    LeaseTiming,
    Sighting,
    released,
    renewed,
    taken,
)
from grctl_operator.runtime.outage import FIRST_API_PAUSE_S, Outage, StoreRestoredError

ATTEMPT = 2.0  # s: for one try, so that one lost answer does not cost the term
RETRY = 0.5  # s
NO_NAMESPACE = "There is no such namespace: create it, or name another by --lease-namespace"

Json = dict[str, Any]
Change = Callable[[Json, datetime, int], Json]
"""Gives the Lease as it is to be written at a time, with so many workers."""

logger = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """Another operator holds the Lease that this one held."""


class LeadershipListener(Protocol):
    """Who is told. Called in order; must not wait."""

    def on_leader(self, url: str | None) -> None:
        """Note who leads, another operator; None: nobody does at present.

        Called at the beginning of each term: a leader that was started again has the same address.
        """

    def on_silence(self) -> None:
        """Note that the leader has not renewed for so long that it may not write any more."""

    def on_taken(self, workers: int | None) -> None:
        """Note that this operator leads from now on, and how many workers the one before it had."""

    def on_suspended(self) -> None:
        """Note that nothing may be written until `on_resumed`."""

    def on_resumed(self) -> None:
        """Note that this operator leads still, or again; nobody else did meanwhile."""


def seconds_since_boot() -> float:
    """Return seconds that go on while the machine sleeps, and never back."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leadership:
    """One operator's part in there being one leader.

    Args:
        api: Has no fence: the Lease is what the fence depends on.
        namespace: Where the Lease is.
        name: Its name.
        candidate: Who we are.
        listener: Who is told.
        workers: Counts the workers that are to be back before the next leader hands out old work.
        timing: The durations of the Lease.
        now: A monotonic clock that goes on while the machine sleeps.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        candidate: Candidate,
        listener: LeadershipListener,
        *,
        workers: Callable[[], int],
        timing: LeaseTiming,
        now: Callable[[], float],
    ) -> None:
        self.tried = asyncio.Event()
        """Set when it is known for the first time whether another operator leads."""
        self._api = api
        self._namespace = namespace
        self._name = name
        self._path = LEASES.path(namespace, name)
        self._candidate = candidate
        self._listener = listener
        self._workers = workers
        self._timing = timing
        self._now = now
        self._seen = Sighting(None, now())
        self._told: tuple[str | None, str | None, int] | None = None
        self._ours: Json = {}
        """The Lease as we wrote it last."""
        self._sent: float | None = None
        """When the last renewal was sent; None: the Lease is not ours."""
        self._suspended = False
        self._failing = False
        self._silence: asyncio.TimerHandle | None = None
        """Tells when another has not renewed in time."""

    def remaining(self) -> float:
        """Give the seconds for which this process may still write; 0 or less: it may not."""
        if self._sent is None:
            return 0.0
        return self._sent + self._timing.deadline - self._now()

    @property
    def leading(self) -> bool:
        """Whether this process may write now."""
        return self.remaining() > 0

    async def run(self) -> NoReturn:
        """Stand by until the Lease is ours, then keep it.

        Raises:
            LeadershipLostError: another operator has it.
            StoreRestoredError: it is of an older version than one that was seen.
        """
        try:
            await self._campaign()
        finally:
            self._stop_listening()
        pause = self._timing.every
        while True:
            await asyncio.sleep(pause)
            pause = await self._keep()

    def resign(self) -> None:
        """Write nothing any more, not even the Lease: it runs out by itself."""
        self._sent = None
        self._stop_listening()

    async def release(self) -> None:
        """Give the Lease back, if it is ours. Nothing may be written from now on."""
        if self._sent is None:
            return
        self._sent = None
        try:
            async with asyncio.timeout(ATTEMPT):
                await self._change(released)
        except (LeadershipLostError, UnreachableError, ApiError, TimeoutError) as error:
            logger.warning("Lease not released", extra=self._fields(error=str(error)))
        else:
            logger.info("Lease released", extra=self._fields())

    def _fields(self, **more: object) -> dict[str, object]:
        return {"lease": f"{self._namespace}/{self._name}", **more}

    # standing by

    async def _campaign(self) -> None:
        outage = Outage(f"read {self._path}", missing=NO_NAMESPACE, patient=True)
        while True:
            try:
                self._note(await self._read())
                if await self._try_to_take():
                    return
                self.tried.set()
                await self._follow()
            except ExpiredError:
                continue  # the watch came too late: look anew
            except TimeoutError:
                await asyncio.sleep(RETRY)
            except (UnreachableError, ApiError) as error:
                await outage.pause(error)
            else:
                outage.over()

    async def _read(self) -> Json | None:
        try:
            return await self._api.get(self._path)
        except NotFoundError:
            return None

    async def _try_to_take(self) -> bool:
        """Take the Lease if it may be taken. Give whether it is ours."""
        sent = self._now()
        if self._seen.free_in(self._candidate.identity, sent) > 0:
            return False
        try:
            async with asyncio.timeout(ATTEMPT):
                self._ours = await self._take(self._seen)
        except ConflictError:
            return False  # another was faster
        self._sent = sent
        logger.info("operator leads", extra=self._fields(identity=self._candidate.identity))
        self._listener.on_taken(self._seen.workers)
        self.tried.set()
        return True

    async def _take(self, seen: Sighting) -> Json:
        body = taken(seen, self._candidate, datetime.now(UTC), self._timing)
        if seen.item is not None:
            return await self._api.replace(self._path, body)
        body["metadata"]["name"] = self._name
        return await self._api.create(LEASES.path(self._namespace), body)

    async def _follow(self) -> None:
        """Watch the Lease until it may be taken, or the stream ends."""
        params = {
            "fieldSelector": f"metadata.name={self._name}",
            "resourceVersion": self._seen.version or "",
        }
        watch = self._api.watch(LEASES.path(self._namespace), params)
        async with aclosing(cast("AsyncGenerator[Json, None]", watch)) as stream:
            while (left := self._seen.free_in(self._candidate.identity, self._now())) > 0:
                try:
                    async with asyncio.timeout(left):
                        change = await anext(stream, None)
                except TimeoutError:
                    return
                if change is None:
                    await asyncio.sleep(FIRST_API_PAUSE_S)  # a server that ends each stream at once
                    return
                self._note(None if change["type"] == "DELETED" else change["object"])

    def _note(self, item: Json | None) -> None:
        self._check_version(self._seen.item, item)
        before, self._seen = self._seen, self._seen.followed_by(item, self._now())
        holder = self._seen.holder
        other = holder if holder != self._candidate.identity else None
        if self._seen is not before:
            self._listen_for_silence(other)
        seen = other, self._seen.url, self._seen.term
        if seen == self._told:
            return
        self._told = seen
        self._listener.on_leader(self._seen.url if other else None)
        if other:
            logger.info("standing by", extra=self._fields(leader=other, url=self._seen.url))
            self._compare_namespaces()

    def _listen_for_silence(self, other: str | None) -> None:
        self._stop_listening()
        if other:
            due = self._seen.since + self._timing.deadline - self._now()
            tell = self._listener.on_silence
            self._silence = asyncio.get_running_loop().call_later(max(0.0, due), tell)

    def _stop_listening(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _compare_namespaces(self) -> None:
        serves, ours = self._seen.serves, self._candidate.serves
        if serves is not None and serves != ours:
            hint = "each set of namespaces needs a Lease of its own: --lease-name"
            extra = self._fields(leader_serves=serves, we_serve=ours, hint=hint)
            logger.warning("the leader serves other namespaces", extra=extra)

    # leading

    async def _keep(self) -> float:
        """Renew once. Give the seconds until the next try."""
        sent = self._now()
        self._suspend_if_late()
        try:
            async with asyncio.timeout(ATTEMPT):
                await self._renew()
        except (UnreachableError, ApiError, TimeoutError) as error:
            self._note_failure(error)
            self._suspend_if_late()
            return RETRY
        self._sent, self._failing = sent, False
        self._resume()
        return max(0.0, sent + self._timing.every - self._now())

    async def _renew(self) -> None:
        try:
            await self._change(renewed)
        except NotFoundError:  # somebody deleted it: who creates it has it
            self._ours = await self._take(Sighting(None, self._now()))

    async def _change(self, change: Change) -> None:
        """Write the Lease over the version that we know, or over a later one of our term.

        Raises:
            LeadershipLostError: it is another's.
            NotFoundError: it is gone.
        """
        try:
            self._ours = await self._replace(change)
        except ConflictError:
            self._ours = self._check_term(await self._api.get(self._path))
            self._ours = await self._replace(change)

    async def _replace(self, change: Change) -> Json:
        body = change(self._ours, datetime.now(UTC), self._workers())
        return await self._api.replace(self._path, body)

    def _check_term(self, item: Json) -> Json:
        """Give the Lease if it is still ours."""
        self._check_version(self._ours, item)
        found, known = Sighting(item, 0.0), Sighting(self._ours, 0.0)
        if (found.holder, found.term) == (known.holder, known.term):
            return item
        if found.holder is None and found.term == known.term:  # somebody cleared it, nobody took it
            return {**item, "spec": {**item["spec"], "holderIdentity": known.holder}}
        self._sent = None
        raise LeadershipLostError(
            f"The Lease {self._namespace}/{self._name} is held by"
            f" {found.holder or 'nobody'} in term {found.term}, and was ours in term {known.term}:"
            " this operator was away for too long and ends. Start it again, to stand by."
        )

    def _check_version(self, known: Json | None, found: Json | None) -> None:
        before, now = _revision_of(known), _revision_of(found)
        if found and now < before:
            self._sent = None
            raise StoreRestoredError(
                f"The Lease {self._namespace}/{self._name} is of revision {now} and was of {before}"
                " before: the API server's store was restored from a backup."
            )

    def _note_failure(self, error: Exception) -> None:
        """Log why the Lease is not renewed, once in a row of failures."""
        level = logging.DEBUG if self._failing else logging.WARNING
        self._failing = True
        what = str(error) or type(error).__name__
        logger.log(level, "Lease not renewed", extra=self._fields(error=what))

    def _suspend_if_late(self) -> None:
        if self.remaining() <= 0 and not self._suspended:
            self._suspended = True
            logger.warning("operator suspended: it writes nothing", extra=self._fields())
            self._listener.on_suspended()

    def _resume(self) -> None:
        if self._suspended:
            self._suspended = False
            logger.warning("operator leads again", extra=self._fields())
            self._listener.on_resumed()


def _revision_of(item: Json | None) -> int:
    return int(item["metadata"]["resourceVersion"]) if item else 0
