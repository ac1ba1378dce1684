"""The history of a run: read once, or followed by watches as it goes on.

1. The run is read before its events. So an event that a commit of that run consumed is settled in
   the list, or in the run's outbox, or was removed.
2. Events are listed page by page, and of each only its item is kept, without a large payload. So
   memory is bounded by the number of events, and not by their size.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

from grctl.client.access import Access, Json, Page
from grctl.client.errors import UnreadableObjectError
from grctl.client.reading import read_event
from grctl.client.timeline import Past, timeline
from grctl.kube import EVENTS, RUNS, ExpiredError, Resource
from grctl.models.history import HistoryItem, HistoryKind
from grctl.models.run import HistoryEntry, WorkflowRun

HISTORY_PAGE_SIZE = 200
"""Events, of which each may have a payload of half a megabyte."""
MAX_LISTS_PER_HISTORY = 3
"""An API server forgets a list that is read for longer than about five minutes."""

Change = tuple[Resource, Page | Json]
Source = tuple[Resource, AsyncGenerator[Page | Json, None]]


class History:
    """The history of a run. Await it for a list, or iterate over it.

    Example:
        >>> for item in await handle.history():
        ...     print(item.at, item.kind, item.text)
        >>> async for item in handle.history().follow():
        ...     print(item.at, item.kind, item.text)
    """

    def __init__(
        self, access: Access, workflow_id: str, own_run: Callable[[Json | None], WorkflowRun]
    ) -> None:
        self._access = access
        self._id = workflow_id
        self._own_run = own_run

    def __await__(self) -> Generator[Any, None, list[HistoryItem]]:
        """Return all items, in order."""
        return self._read().__await__()

    async def __aiter__(self) -> AsyncIterator[HistoryItem]:
        """Yield all items, in order."""
        for item in await self._read():
            yield item

    async def follow(self) -> AsyncIterator[HistoryItem]:
        """Yield all items, then each new one, until the run has finished.

        It ends when the events of the finished run are settled too. An item is yielded once, in the
        state in which it was known first. The API is watched, and not polled.

        Raises:
            WorkflowNotFoundError: the run was deleted.
        """
        following = _Following(self._own_run)
        async with aclosing(self._changes()) as changes:
            async for resource, change in changes:
                following.take(resource, change)
                for item in following.new_items():
                    yield item
                if following.is_over:
                    return

    async def _read(self) -> list[HistoryItem]:
        run = self._own_run(await self._access.read(RUNS, self._id))
        for attempt in range(MAX_LISTS_PER_HISTORY):
            past = Past(run.metadata.uid)
            try:
                async for page in self._access.pages(EVENTS, self._selector, HISTORY_PAGE_SIZE):
                    for item in page.items:
                        _note(past, item)
            except ExpiredError:
                if attempt + 1 == MAX_LISTS_PER_HISTORY:
                    raise
            else:
                break
        return timeline(run, past)

    @property
    def _selector(self) -> dict[str, str]:
        return {"spec.workflowId": self._id}

    async def _changes(self) -> AsyncGenerator[Change, None]:
        """Yield the changes of the run and of its events, as they come.

        First come the run and all events that there are. They are watched only if the caller wants
        more, so that no request is under way if the caller stops there.
        """
        selectors = [(RUNS, {"metadata.name": self._id}), (EVENTS, self._selector)]
        async with AsyncExitStack() as streams:
            sources = [
                (resource, await streams.enter_async_context(aclosing(changes)))
                for resource, selector in selectors
                for changes in [self._access.changes(resource, selector, HISTORY_PAGE_SIZE)]
            ]
            for resource, changes in sources:
                async for page in changes:
                    yield resource, page
                    if isinstance(page, Page) and page.is_last:
                        break
            async with aclosing(_merged(sources)) as merged:
                async for change in merged:
                    yield change


async def _merged(sources: Sequence[Source]) -> AsyncGenerator[Change, None]:
    """Yield the changes of several sources, as they come."""
    queue: asyncio.Queue[Change | Exception] = asyncio.Queue()
    tasks = [asyncio.create_task(_pass_on(source, queue)) for source in sources]
    try:
        while True:
            change = await queue.get()
            if isinstance(change, Exception):
                raise change
            yield change
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _pass_on(source: Source, queue: "asyncio.Queue[Change | Exception]") -> None:
    resource, changes = source
    try:
        async for change in changes:
            queue.put_nowait((resource, change))
    except Exception as error:  # noqa: BLE001  raised where the changes are taken
        queue.put_nowait(error)


class _Following:
    """What is known of a run that is followed, and which items were yielded."""

    def __init__(self, own_run: Callable[[Json | None], WorkflowRun]) -> None:
        self._own_run = own_run
        self._run: WorkflowRun | None = None
        self._past = Past("")
        self._entries: dict[int, HistoryEntry] = {}
        self._present: set[str] = set()
        """Uids of the events in the list that is being read."""
        self._is_listed = False
        self._yielded: set[tuple[Any, ...]] = set()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can happen: the run has finished, and no event is open."""
        if self._run is None or not self._is_listed or not self._run.status.phase.finished:
            return False
        return not self._past.waiting and not self._open_uids(self._run)

    def take(self, resource: Resource, change: Page | Json) -> None:
        """Take a page of a list, or one watch event."""
        if resource is RUNS:
            self._take_run(change)
        elif isinstance(change, Page):
            self._take_events(change)
        elif change["type"] == "DELETED":
            self._past.forget(change["object"]["metadata"]["uid"])
        else:
            _note(self._past, change["object"])

    def new_items(self) -> list[HistoryItem]:
        """Return the items that were not returned before, in order.

        An event in the outbox is passed over until it is settled, because more is known of it then.
        Later items wait for it.
        """
        if self._run is None or not self._is_listed:
            return []
        found: list[HistoryItem] = []
        open_uids = self._open_uids(self._run)
        for item in timeline(self._run, self._past, self._entries.values()):
            if item.event is not None and item.event.uid in open_uids:
                break
            key = _key_of(item)
            if key not in self._yielded:
                self._yielded.add(key)
                found.append(item)
        return found

    def _open_uids(self, run: WorkflowRun) -> set[str]:
        """Return the events that a commit consumed and that are not settled yet."""
        return {entry.uid for entry in run.status.settled if entry.uid in self._past.waiting}

    def _take_run(self, change: Page | Json) -> None:
        if isinstance(change, Page):
            seen = next(iter(change.items), None)
        else:
            seen = None if change["type"] == "DELETED" else change["object"]
        self._run = self._own_run(seen)
        self._past.uid = self._run.metadata.uid
        self._entries |= {each.commit: each for each in self._run.status.history}

    def _take_events(self, page: Page) -> None:
        if page.is_first:
            self._present.clear()
        for item in page.items:
            self._present.add(item["metadata"]["uid"])
            _note(self._past, item)
        if page.is_last:
            self._is_listed = True
            for uid in self._past.waiting.keys() - self._present:
                self._past.forget(uid)


def _note(past: Past, item: Json) -> None:
    """Take an event, unless it cannot be read: then its sequence is a gap."""
    try:
        event = read_event(item)
    except UnreadableObjectError:
        return
    past.note(event, _sender_of(item))


def _sender_of(item: Json) -> str | None:
    """Return the program that created an object, as the API server noted it."""
    fields = item["metadata"].get("managedFields")
    if not isinstance(fields, list):
        return None
    own = [each for each in fields if isinstance(each, dict) and not each.get("subresource")]
    return next((str(each["manager"]) for each in own if each.get("manager")), None)


def _key_of(item: HistoryItem) -> tuple[Any, ...]:
    """Return what makes an item the same as one of an earlier look."""
    match item.kind:
        case HistoryKind.TASK | HistoryKind.GAP:
            return item.kind, item.handler, item.text
        case HistoryKind.HELD:
            return item.kind, item.at
        case HistoryKind.CREATED | HistoryKind.FINISHED:
            return (item.kind,)
    if item.event is not None and item.event.uid is not None:
        return item.kind, item.event.uid
    return "commit", item.commit, item.text
