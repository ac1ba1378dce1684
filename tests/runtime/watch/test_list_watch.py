"""Lists and watches of a scripted API server: each request takes the next line of the script."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from grctl.kube import (
    ApiError,
    ExpiredError,
    InvalidError,
    LargeAnswerError,
    NotFoundError,
    UnreachableError,
)
from grctl_operator.runtime.outage import LONGEST_API_PAUSE_S, Outage, StoreRestoredError
from grctl_operator.runtime.watch.list_watch import SILENCE_GRAIN_SHARE, ListWatch
from grctl_operator.runtime.watch.lists import PAGE_SIZE, list_all
from tests.runtime.conftest import PATIENCE
from tests.runtime.leaping import LeapingLoop

Json = dict[str, Any]


def thing(version: int, name: str = "a") -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def page(version: int, *items: Json, token: str | None = None) -> Json:
    metadata = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    return {"metadata": metadata, "items": list(items)}


def change(kind: str, version: int, name: str = "a") -> Json:
    return {"type": kind, "object": thing(version, name)}


SILENCE: Json = {}
"""A stream that stays open without messages."""
THE_END = InvalidError(400, "BadRequest", "the script is over")


class Script:
    """Answers lists and streams in the order of the script; then silence, and the end.

    A number in a stream is so many seconds in which nothing comes.
    """

    def __init__(self, lists: list[Any], streams: list[list[Any]]) -> None:
        self.lists = list(lists)
        self.streams = list(streams)
        self.asked: list[Mapping[str, str]] = []
        self.revisions: list[Any] = []
        """The revisions of lists of one object, in order; then one that shows no loss."""

    async def get(
        self,
        _path: str,
        /,
        params: Mapping[str, str] | None = None,
        *,
        at_most: int | None = None,  # noqa: ARG002
    ) -> Json:
        if params == {"limit": "1"}:
            return page(self._answer(self.revisions.pop(0) if self.revisions else 10**9))
        self.asked.append(dict(params or {}))
        answer = self.lists.pop(0) if self.lists else THE_END
        return self._answer(answer)  # type: ignore[no-any-return]

    @staticmethod
    def _answer(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(self, _path: str, /, params: Mapping[str, str]) -> AsyncIterator[Json]:
        self.asked.append(dict(params))
        for line in self.streams.pop(0) if self.streams else [SILENCE]:
            if isinstance(line, Exception):
                raise line
            if line is SILENCE:
                await asyncio.Event().wait()
            if isinstance(line, float):
                await asyncio.sleep(line)
            else:
                yield line


class Recorder:
    """Records what it receives."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.restarts: list[str] = []
        self._names: list[str] = []

    def on_asking(self) -> None:
        self.lines.append("asking")
        self._names = []

    def on_page(self, items: list[Json]) -> None:
        self._names += [item["metadata"]["name"] for item in items]

    def on_list(self, revision: int) -> None:
        self.lines.append(f"list {','.join(self._names)} at {revision}")

    def on_change(self, change: str, item: Json) -> None:
        self.lines.append(f"{change} {item['metadata']['name']}")

    def on_bookmark(self, revision: int) -> None:
        self.lines.append(f"bookmark {revision}")


async def played(script: Script, silence: float = 0.02) -> tuple[Recorder, list[float], Exception]:
    """Play to the list after the last one. Return what came, the pauses, and how it ended."""
    recorder, pauses = Recorder(), []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    watch = ListWatch(
        script,
        "/things",
        recorder,
        on_restart=recorder.restarts.append,
        silence=silence,
        outage=Outage("things", sleep),
    )
    with pytest.raises((StoreRestoredError, ApiError)) as ended:
        await watch.run()
    if ended.value is THE_END:
        assert recorder.lines.pop() == "asking"
        assert recorder.restarts.pop() in {"silent", "expired"}
    return recorder, pauses, ended.value


async def test_pages_are_one_list() -> None:
    script = Script([page(5, thing(1, "a"), token="t"), page(5, thing(2, "b"))], [])
    recorder, _, _ = await played(script)
    assert recorder.lines == ["asking", "list a,b at 5"]
    assert script.asked[:2] == [
        {"limit": str(PAGE_SIZE)},
        {"limit": str(PAGE_SIZE), "continue": "t"},
    ]


async def test_the_watch_goes_on_from_the_list() -> None:
    script = Script([page(5)], [[change("ADDED", 6), change("BOOKMARK", 8), SILENCE]])
    recorder, _, _ = await played(script)
    assert recorder.lines == ["asking", "list  at 5", "ADDED a", "bookmark 8"]
    assert script.asked[1]["resourceVersion"] == "5"
    assert script.asked[1]["allowWatchBookmarks"] == "true"


async def test_a_broken_stream_goes_on_where_it_broke() -> None:
    broken = [change("ADDED", 6), change("BOOKMARK", 8), UnreachableError("reset")]
    script = Script([page(5)], [broken, [change("DELETED", 9), SILENCE]])
    recorder, pauses, _ = await played(script)
    assert recorder.lines[-1] == "DELETED a"
    assert script.asked[2]["resourceVersion"] == "8"
    assert len(pauses) == 1


async def test_an_expired_revision_begins_with_a_new_list() -> None:
    script = Script([page(5), page(90, thing(50))], [[ExpiredError(410, "Expired", "")]])
    recorder, pauses, _ = await played(script)
    assert recorder.lines == ["asking", "list  at 5", "asking", "list a at 90"]
    assert pauses == []


async def test_every_new_stream_has_a_cause() -> None:
    streams: list[list[Any]] = [
        [change("ADDED", 6)],
        [UnreachableError("reset")],
        [ExpiredError(410, "Expired", "")],
    ]
    recorder, _, _ = await played(Script([page(5), page(9)], streams))
    assert recorder.restarts == ["ended", "broken", "expired"]


async def test_a_list_that_expires_between_pages_begins_anew() -> None:
    script = Script(
        [page(5, thing(1), token="t"), ExpiredError(410, "Expired", ""), page(9, thing(1))], []
    )
    recorder, _, _ = await played(script)
    assert recorder.lines == ["asking", "asking", "list a at 9"]


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("refused"),
        ApiError(503, "", "etcd is away"),
        ApiError(429, "TooManyRequests", "later"),
        NotFoundError(404, "NotFound", "no such resource"),
        ApiError(403, "Forbidden", "not yet"),
    ],
)
async def test_a_request_is_tried_again_after_an_error_that_may_pass(error: Exception) -> None:
    recorder, pauses, _ = await played(Script([error, error, page(5)], []))
    assert recorder.lines[-1] == "list  at 5"
    assert len(pauses) == 2


async def test_pauses_grow_to_a_limit_and_start_anew_after_a_success() -> None:
    away = [UnreachableError("refused")] * 12
    _, pauses, _ = await played(Script([*away, page(5)], [[UnreachableError("reset")]]))
    assert max(pauses) <= LONGEST_API_PAUSE_S
    assert pauses[10] > 10 * pauses[0]
    assert pauses[12] < 1


async def test_an_outage_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await played(Script([*[UnreachableError("refused")] * 5, page(5)], []))
    assert caplog.messages == ["waiting for the API server", "the API server answers again"]


async def test_the_log_of_missing_resources_says_how_to_install_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await played(Script([NotFoundError(404, "NotFound", "no such resource"), page(5)], []))
    assert "grctl crds | kubectl apply -f -" in vars(caplog.records[0])["hint"]


async def test_a_refusal_for_good_is_tried_again_too(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = InvalidError(400, "BadRequest", "field label not supported: status.phase")
    recorder, script, at_end = Recorder(), Script([refusal, refusal, page(5)], []), asyncio.Event()
    monkeypatch.setattr("grctl_operator.runtime.outage.FIRST_API_PAUSE_S", 0.001)
    monkeypatch.setattr(recorder, "on_list", lambda _revision: at_end.set())
    watching = asyncio.create_task(
        ListWatch(script, "/things", recorder, on_restart=recorder.restarts.append).run()
    )
    await asyncio.wait_for(at_end.wait(), PATIENCE)
    watching.cancel()
    assert recorder.lines == ["asking"] * 3


async def test_a_silent_watch_begins_with_a_new_list() -> None:
    lists = [page(5), page(6, thing(6)), page(9, thing(7))]
    script = Script(lists, [[change("ADDED", 6), SILENCE], [SILENCE]])
    recorder, pauses, ended = await played(script)
    assert ended is THE_END
    assert recorder.restarts == ["silent", "silent"]
    listed = ["asking", "list a at 6", "asking", "list a at 9"]
    assert recorder.lines == ["asking", "list  at 5", "ADDED a", *listed]
    watched = [each["resourceVersion"] for each in script.asked if "resourceVersion" in each]
    assert watched == ["5", "6", "9"]
    assert pauses == []


async def test_the_error_of_a_restored_store_after_a_silence_names_both_revisions() -> None:
    _, _, ended = await played(Script([page(90), page(41)], [[SILENCE]]))
    assert isinstance(ended, StoreRestoredError)
    assert "at revision 41 of /things and was at 90 before" in str(ended)


def test_each_message_postpones_the_new_list() -> None:
    script = Script([page(5)], [[90.0, change("ADDED", 6), 90.0, change("BOOKMARK", 7), 90.0]])
    loop = LeapingLoop()
    loop.leaping = True
    began = loop.time()
    recorder, _, _ = loop.run_until_complete(played(script, silence=120.0))
    took = loop.time() - began
    loop.close()
    assert recorder.lines[-1] == "bookmark 7"
    assert 300.0 - 2 * SILENCE_GRAIN_SHARE * 120.0 < took < 301.0


async def test_silence_counts_over_streams_that_end_empty() -> None:
    recorder, _, ended = await played(Script([page(5), page(5)], [[], [], []]), silence=0.25)
    assert ended is THE_END
    assert recorder.restarts[0] == "ended"
    assert "silent" in recorder.restarts


@pytest.mark.parametrize(
    ("lists", "streams"),
    [
        ([page(5), page(8)], [[change("ADDED", 9), change("BOOKMARK", 8)]]),
        ([page(5), page(4)], [[ExpiredError(410, "Expired", "")]]),
    ],
)
async def test_a_list_whose_revision_falls_proves_a_restored_store(
    lists: list[Json], streams: list[list[Any]]
) -> None:
    _, _, ended = await played(Script(lists, streams))
    assert isinstance(ended, StoreRestoredError)
    assert "restored from a backup" in str(ended)


async def test_a_stream_of_an_api_server_that_lags_is_answered_by_a_list() -> None:
    script = Script([page(5), page(12)], [[change("ADDED", 9), change("BOOKMARK", 8)]])
    recorder, _, ended = await played(script)
    assert ended is THE_END
    assert recorder.lines == ["asking", "list  at 5", "ADDED a", "asking", "list  at 12"]


async def test_a_revision_of_the_future_is_answered_by_a_list() -> None:
    lags = ApiError(504, "Timeout", "Too large resource version: 90, current: 5")
    recorder, pauses, ended = await played(Script([page(90), page(91)], [[lags]]))
    assert ended is THE_END
    assert recorder.lines == ["asking", "list  at 90", "asking", "list  at 91"]
    assert len(pauses) == 1


@pytest.mark.parametrize("end", [[UnreachableError("reset")], []], ids=["broken", "ended early"])
async def test_a_store_that_was_restored_while_the_stream_was_down_is_noticed_at_once(
    end: list[Any],
) -> None:
    script = Script([page(301)], [end])
    script.revisions = [UnreachableError("refused"), 268]
    _, _, ended = await played(script)
    assert isinstance(ended, StoreRestoredError)
    assert "at revision 268 of /things and was at 301 before" in str(ended)


async def test_after_a_broken_stream_a_sound_store_is_watched_from_the_last_revision() -> None:
    script = Script([page(5)], [[change("ADDED", 6), UnreachableError("reset")], [SILENCE]])
    script.revisions = [6]
    recorder, _, ended = await played(script)
    assert ended is THE_END
    assert recorder.lines == ["asking", "list  at 5", "ADDED a"]
    assert [each["resourceVersion"] for each in script.asked[1:3]] == ["5", "6"]


async def test_a_page_that_is_too_large_is_asked_for_again_with_fewer_objects() -> None:
    too_large = LargeAnswerError("over 2 MiB")
    script = Script([too_large, too_large, page(5, thing(1), token="more"), page(5, thing(2))], [])

    items, revision = await list_all(script, "/things")

    assert [each["metadata"]["resourceVersion"] for each in items] == ["1", "2"]
    assert revision == 5
    assert [each["limit"] for each in script.asked] == ["500", "62", "7", "14"]
