"""Leadership: takes the Lease when it is free, renews and releases it. It fences all writes.

1. `remaining` is the time for which this process may still write. Each write asks for it. It is
   measured by a clock that goes on while the machine sleeps, so a process that was stopped for too
   long knows that at once.
2. A holder that cannot renew in time is suspended: it writes nothing. If a later renewal succeeds,
   no other operator held the Lease meanwhile (its version would be another), and it goes on.
3. If another operator holds the Lease, the process ends with `LeadershipLostError`. The next
   process begins with no state.
4. A standby watches the Lease and makes no other request, so it sees a release at once.
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
    released_lease,
    renewed_lease,
    taken_lease,
)
from grctl_operator.runtime.outage import FIRST_API_PAUSE_S, Outage, StoreRestoredError

LEASE_REQUEST_TIMEOUT_S = 2.0  # for one try: one lost answer must not cost the leadership
LEASE_RETRY_S = 0.5
NO_NAMESPACE = "There is no such namespace: create it, or name another by --lease-namespace"

Json = dict[str, Any]
Change = Callable[[Json, datetime, int], Json]
"""Returns the Lease as it is to be written, from the one before, the time and the workers."""

logger = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """Another operator holds the Lease that this one held."""


class LeadershipListener(Protocol):
    """The part that acts on changes of the leadership. Called in order; must not wait."""

    def on_leader(self, url: str | None) -> None:
        """Note that another operator leads, and its address. None: no operator leads at present.

        Called at the beginning of each term: a leader that was started again has the same address.
        """

    def on_silence(self) -> None:
        """Note that the leader has not renewed for so long that it may no longer write."""

    def on_taken(self, workers: int | None) -> None:
        """Note that this operator leads from now on, and how many workers the one before it had."""

    def on_suspended(self) -> None:
        """Note that nothing may be written until `on_resumed`."""

    def on_resumed(self) -> None:
        """Note that this operator leads again. No other operator led meanwhile."""


def seconds_since_boot() -> float:
    """Return seconds that go on while the machine sleeps, and never back."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leadership:
    """The part of one operator in the election of a leader.

    Args:
        api: Has no fence: the fence depends on the Lease.
        namespace: The namespace of the Lease.
        name: The name of the Lease.
        candidate: This operator.
        listener: Is told of all changes.
        workers: Counts the workers that the next leader waits for before it dispatches old work.
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
        self.leader_known = asyncio.Event()
        """Set once it is known whether another operator leads."""
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
        """The Lease as this operator wrote it last."""
        self._sent: float | None = None
        """When the last renewal was sent. None: this operator does not hold the Lease."""
        self._suspended = False
        self._failing = False
        self._silence: asyncio.TimerHandle | None = None
        """Ends when the leader has not renewed in time."""

    def remaining(self) -> float:
        """Return the seconds for which this process may still write. 0 or less: it may not."""
        if self._sent is None:
            return 0.0
        return self._sent + self._timing.deadline - self._now()

    @property
    def leading(self) -> bool:
        """Whether this process may write now."""
        return self.remaining() > 0

    async def run(self) -> NoReturn:
        """Stand by until the Lease is free, take it, and renew it.

        Raises:
            LeadershipLostError: another operator holds the Lease.
            StoreRestoredError: the Lease is of an older version than one that was seen.
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
        """Stop all writes, even of the Lease: it runs out by itself."""
        self._sent = None
        self._stop_listening()

    async def release(self) -> None:
        """Release the Lease, if this operator holds it. Nothing may be written from now on."""
        if self._sent is None:
            return
        self._sent = None
        try:
            async with asyncio.timeout(LEASE_REQUEST_TIMEOUT_S):
                await self._change(released_lease)
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
                self.leader_known.set()
                await self._follow()
            except ExpiredError:
                continue  # the watch began too late: read again
            except TimeoutError:
                await asyncio.sleep(LEASE_RETRY_S)
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
        """Take the Lease if it is free. Return whether this operator holds it."""
        sent = self._now()
        if self._free_in(sent) > 0:
            return False
        try:
            async with asyncio.timeout(LEASE_REQUEST_TIMEOUT_S):
                self._ours = await self._take(self._seen)
        except ConflictError:
            return False  # another was faster
        self._sent = sent
        logger.info("operator leads", extra=self._fields(identity=self._candidate.identity))
        self._listener.on_taken(self._seen.workers)
        self.leader_known.set()
        return True

    def _free_in(self, now: float) -> float:
        return self._seen.seconds_until_free(self._candidate.identity, now)

    async def _take(self, seen: Sighting) -> Json:
        body = taken_lease(seen, self._candidate, datetime.now(UTC), self._timing)
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
            while (left := self._free_in(self._now())) > 0:
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
        before, self._seen = self._seen, self._seen.next_sighting(item, self._now())
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
        """Renew once. Return the seconds until the next try."""
        sent = self._now()
        self._suspend_if_late()
        try:
            async with asyncio.timeout(LEASE_REQUEST_TIMEOUT_S):
                await self._renew()
        except (UnreachableError, ApiError, TimeoutError) as error:
            self._note_failure(error)
            self._suspend_if_late()
            return LEASE_RETRY_S
        self._sent, self._failing = sent, False
        self._resume()
        return max(0.0, sent + self._timing.every - self._now())

    async def _renew(self) -> None:
        try:
            await self._change(renewed_lease)
        except NotFoundError:  # a person deleted it: take it anew
            self._ours = await self._take(Sighting(None, self._now()))

    async def _change(self, change: Change) -> None:
        """Write the Lease over the version that we know, or over a later one of our term.

        Raises:
            LeadershipLostError: another operator holds the Lease.
            NotFoundError: there is no Lease any more.
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
        """Return the Lease if this operator still holds it.

        Raises:
            LeadershipLostError: another operator holds it.
        """
        self._check_version(self._ours, item)
        found, known = Sighting(item, 0.0), Sighting(self._ours, 0.0)
        if (found.holder, found.term) == (known.holder, known.term):
            return item
        if found.holder is None and found.term == known.term:  # a person cleared the holder
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
        """Log why the Lease is not renewed: the first of a row of failures as a warning."""
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
