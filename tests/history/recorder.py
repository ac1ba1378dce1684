"""The recorder: watches one namespace, and notes the answers that senders get, for a history.

1. Objects that are there at the beginning are not part of the history. After that no version is
   missed: a watch that ends is resumed from the last version, however often the API server is away.
2. If the API server no longer has the versions in between, the recorder lists anew, and the history
   is marked as not complete.
3. The record has caught up when the watch has shown the versions of a consistent list.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, cast

from grctl.kube import EVENTS, RUNS, Api, ApiError, ExpiredError, UnreachableError
from tests.history.calls import TaskCall
from tests.history.executions import ExecutionStart
from tests.history.history import CreateAnswer, EventVersion, History, RunVersion
from tests.history.reading import event_version, run_version

RETRY_PAUSE_S = 0.05  # before asking an API server again that is away
CATCH_UP_PATIENCE_S = 30.0
STREAM_S = 300

Json = dict[str, Any]


class Recorder:
    """Use it as an async context manager around everything that is to be recorded.

    Args:
        api: The API client, open.
        namespace: The namespace that is watched.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self.answers: list[CreateAnswer] = []
        self.events: list[EventVersion] = []
        self.runs: list[RunVersion] = []
        self.withdrawals: set[str] = set()
        """Names of events that the test deleted. These four sets are filled by the test."""
        self.unfit: set[str] = set()
        """Names of events whose payload does not fit their handler."""
        self.waiting: set[str] = set()
        """Names of events that must still wait at the end."""
        self.may_move: set[str] = set()
        """Names of events that were changed while no operator watched."""
        self._api = api
        self._namespace = namespace
        self._watches = (
            _Watch(api, EVENTS.path(namespace), self._on_event),
            _Watch(api, RUNS.path(namespace), lambda *seen: self.runs.append(run_version(*seen))),
        )
        self._unsettled: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """List what is there, and begin to watch."""
        for watch in self._watches:
            await watch.begin()
        self._tasks = [asyncio.create_task(watch.run()) for watch in self._watches]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def unsettled(self) -> set[str]:
        """Names of events that are not settled yet, and are to be."""
        return self._unsettled - self.waiting

    @property
    def complete(self) -> bool:
        """Whether no version was missed."""
        return not any(watch.gaps for watch in self._watches)

    def note_created(self, item: Json) -> None:
        """Record the API server's answer to the create of an event."""
        metadata = item["metadata"]
        revision, at = int(metadata["resourceVersion"]), datetime.now(UTC)
        self.answers.append(CreateAnswer(metadata["uid"], metadata["name"], revision, at))

    async def catch_up(self) -> None:
        """Wait until everything that has happened so far is recorded."""
        async with asyncio.timeout(CATCH_UP_PATIENCE_S):
            for watch in self._watches:
                await watch.catch_up()

    async def until_settled(self, patience: float = CATCH_UP_PATIENCE_S) -> None:
        """Wait until no event is left to be settled, but no longer than our patience."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.unsettled:  # noqa: ASYNC110  it is the watch's state
                    await asyncio.sleep(RETRY_PAUSE_S)

    async def begin_anew(self) -> None:
        """Forget the history so far. Objects that are there now are not part of the next one."""
        await self.catch_up()
        for watch in self._watches:
            watch.leave_out_what_is_there()
        for seen in (self.answers, self.events, self.runs):
            seen.clear()
        for told in (self.withdrawals, self.unfit, self.waiting, self.may_move, self._unsettled):
            told.clear()

    def history(
        self,
        started: tuple[ExecutionStart, ...],
        handlers: Mapping[str, frozenset[str]],
        calls: tuple[TaskCall, ...] = (),
    ) -> History:
        """Return what was recorded, with what workers wrote.

        Args:
            started: The executions that workers began.
            handlers: Event names that each workflow type handles.
            calls: The calls that tasks made.
        """
        return History(
            answers=tuple(self.answers),
            withdrawals=self._uids(self.withdrawals),
            events=tuple(self.events),
            runs=tuple(self.runs),
            started=started,
            handlers=handlers,
            calls=calls,
            unfit=self._uids(self.unfit),
            waiting=self._uids(self.waiting),
            may_move=self._uids(self.may_move),
            complete=self.complete,
        )

    def _on_event(self, item: Json, exists: bool) -> None:
        seen = event_version(item, exists)
        self.events.append(seen)
        if seen.exists and not seen.phase.settled:
            self._unsettled.add(seen.name)
        else:
            self._unsettled.discard(seen.name)

    def _uids(self, names: set[str]) -> frozenset[str]:
        accepted = {each.uid for each in self.answers if each.name in names}
        return frozenset(accepted | {each.uid for each in self.events if each.name in names})


class _Watch:
    """The versions of one kind of object, in the API server's order."""

    def __init__(self, api: Api, path: str, on_version: Callable[[Json, bool], None]) -> None:
        self.gaps = 0
        self._api = api
        self._path = path
        self._on_version = on_version
        self._revision = 0
        self._living: dict[str, Json] = {}
        """Last version of each object that there is, by uid."""
        self._before: frozenset[str] = frozenset()
        """Uids of objects that were there before, which are not part of the history."""
        self._changed = asyncio.Condition()

    async def begin(self) -> None:
        """List what is there, and begin after it."""
        answer = await self._list_patiently()
        self._revision = _revision(answer)
        self._living = {item["metadata"]["uid"]: item for item in answer["items"]}
        self.leave_out_what_is_there()

    def leave_out_what_is_there(self) -> None:
        """Leave objects that are there now out of the history, and forget gaps."""
        self._before = frozenset(self._living)
        self.gaps = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._stream()
            except ExpiredError:
                await self._relist()
            except (ApiError, UnreachableError):
                await asyncio.sleep(RETRY_PAUSE_S)

    async def catch_up(self) -> None:
        """Wait until the watch has shown what a list shows now."""
        answer = await self._list_patiently()
        listed = {item["metadata"]["uid"]: _revision(item) for item in answer["items"]}

        def caught_up() -> bool:
            unlisted = (self._living[uid] for uid in self._living.keys() - listed.keys())
            return self._revision >= max(listed.values(), default=0) and all(
                _revision(item) > _revision(answer) for item in unlisted
            )

        async with self._changed:
            await self._changed.wait_for(caught_up)

    async def _list_patiently(self) -> Json:
        while True:
            try:
                return await self._api.get(self._path)
            except (ApiError, UnreachableError):
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _stream(self) -> None:
        params = {"resourceVersion": str(self._revision), "timeoutSeconds": str(STREAM_S)}
        params["allowWatchBookmarks"] = "true"
        stream = cast("AsyncGenerator[Json, None]", self._api.watch(self._path, params))
        async with aclosing(stream):
            async for change in stream:
                await self._on_change(change["type"], change["object"])

    async def _on_change(self, change: str, item: Json) -> None:
        self._revision = _revision(item)
        if change == "BOOKMARK":
            return
        self._note(item, exists=change != "DELETED")
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _note(self, item: Json, *, exists: bool) -> None:
        uid = item["metadata"]["uid"]
        if exists:
            self._living[uid] = item
        else:
            self._living.pop(uid, None)
        if uid not in self._before:
            self._on_version(item, exists)

    async def _relist(self) -> None:
        """Begin anew from a list, and count a gap: versions in between are not known."""
        with contextlib.suppress(ApiError, UnreachableError):
            answer = await self._api.get(self._path)
            listed = {item["metadata"]["uid"]: item for item in answer["items"]}
            self._revision = _revision(answer)
            self.gaps += 1
            for uid in self._living.keys() - listed.keys():
                self._note(self._living[uid], exists=False)
            for item in sorted(listed.values(), key=_revision):
                self._note(item, exists=True)
            await self._notify()


def _revision(item: Json) -> int:
    return int(item["metadata"]["resourceVersion"])
