"""What a command tells while it waits."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from grctl.cli.news import LEASE_LOOK_INTERVALS, News
from grctl.kube.errors import api_error

if TYPE_CHECKING:
    from grctl.client.access import Access

Json = dict[str, Any]


class Seconds:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._turns: asyncio.Queue[None] = asyncio.Queue()
        self._sleeping = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        self._sleeping.set()
        await self._turns.get()

    async def passes(self, count: int = 1) -> None:
        """Advance the time, and return when the tasks that wake have run."""
        for _ in range(count):
            await self._sleeping.wait()
            self._sleeping.clear()
            self._turns.put_nowait(None)
            await self._sleeping.wait()


class Following:
    """An API of which only one run is followed."""

    namespace = "shop"

    def __init__(self) -> None:
        self.followed = False
        self.shows: Callable[[Json | None], Any] = lambda _run: None
        self.looks = 0
        self.refused = False

    async def follow(self, _kind: Any, _name: str, judge: Callable[[Json | None], Any]) -> None:
        if self.refused:
            raise api_error(403, {"reason": "Forbidden", "message": "may not list runs"})
        self.followed = True
        self.shows = judge
        await asyncio.Event().wait()

    async def named_everywhere(self, *_what: Any) -> list[Json]:
        self.looks += 1
        return []

    def message(self, text: str, phase: str = "WaitEvent") -> None:
        self.shows({"status": {"phase": phase, "message": text}})


class Place:
    """News of a run, and what was told of them."""

    def __init__(self) -> None:
        self.api = Following()
        self.seconds = Seconds()
        self.told: list[str] = []
        access = cast("Access", self.api)
        self.news = News(access, "order-1", self.told.append, self.seconds.sleep)


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_message_is_told_once_and_again_when_it_changes(place: Place) -> None:
    telling = asyncio.create_task(place.news.tell())
    await place.seconds.passes()
    place.api.message("Waits for an event: approve.")
    await place.seconds.passes(3)
    place.api.message("Runs step pay on worker w.", "Running")
    await place.seconds.passes()
    telling.cancel()
    assert place.told == [
        "order-1: Waits for an event: approve.",
        "order-1: Runs step pay on worker w.",
    ]


async def test_news_tell_the_last_of_many_changes_within_a_second(place: Place) -> None:
    telling = asyncio.create_task(place.news.tell())
    await place.seconds.passes()
    for number in range(5):
        place.api.message(f"step {number}")
    await place.seconds.passes()
    telling.cancel()
    assert place.told == ["order-1: step 4"]


async def test_for_what_ends_within_a_second_nothing_is_asked(place: Place) -> None:
    telling = asyncio.create_task(place.news.tell())
    for _ in range(5):
        await asyncio.sleep(0)
    telling.cancel()
    assert not place.api.followed
    assert place.told == []


async def test_a_run_that_nobody_takes_up_is_told_and_looked_at_again_later(place: Place) -> None:
    telling = asyncio.create_task(place.news.tell())
    await place.seconds.passes()
    place.api.shows({"status": {"phase": "Pending"}})
    await place.seconds.passes(LEASE_LOOK_INTERVALS + 1)
    place.api.message("Goes on with the start handler.", "Pending")
    await place.seconds.passes()
    telling.cancel()
    nobody, then = place.told
    assert nobody.startswith("order-1: No operator has taken it up yet: the cluster has no Lease")
    assert then == "order-1: Goes on with the start handler."
    assert place.api.looks == 2


async def test_news_are_silent_without_a_run_or_the_right_to_see_it(place: Place) -> None:
    place.api.refused = True
    telling = asyncio.create_task(place.news.tell())
    await place.seconds.passes(3)
    assert not telling.done()
    telling.cancel()
    assert place.told == []


async def test_a_run_that_was_deleted_has_none_any_more(place: Place) -> None:
    telling = asyncio.create_task(place.news.tell())
    await place.seconds.passes()
    place.api.shows(None)
    await place.seconds.passes(2)
    place.api.shows({"metadata": {}})
    await place.seconds.passes()
    telling.cancel()
    assert place.told == [place.told[0]]
    assert "No operator has taken it up" in place.told[0]
