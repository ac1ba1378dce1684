"""Which core Events are due, with clocks that the test moves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people import notices as module
from grctl_operator.runtime.people.announcer import involved_object
from grctl_operator.runtime.people.notices import (
    FIRST_NOTICE_PAUSE_S,
    LONGEST_NOTICE_PAUSE_S,
    MAX_EVENT_NOTICES_AT_ONCE,
    MAX_WAITING_NOTICES,
    Notice,
    Notices,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = 3600.0


class Writer:
    """Writes each core Event as soon as it is due, as an announcer that is never slow."""

    def __init__(self) -> None:
        self.time = 0.0
        self.notices = Notices(self.now, lambda: self.time)
        self.written: list[tuple[str, int]] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.time)

    def add(self, notice: Notice) -> bool:
        taken = self.notices.add(notice)
        self.write()
        return taken

    def wait(self, seconds: float) -> None:
        """Move the clock, and write what becomes due meanwhile."""
        end = self.time + seconds
        while (due := self.notices.due_in()) is not None and self.time + due <= end:
            self.time += due
            self.write()
        self.time = end

    def write(self) -> None:
        while core_event := self.notices.take():
            count = core_event.count + core_event.notice.times
            self.written.append((core_event.notice.message, count))
            core_event.on_write(count)


@pytest.fixture
def writer() -> Writer:
    return Writer()


def on_run(
    reason: str = "WorkerLost", message: str = "lost", run: str = "r1", **fields: Any
) -> Notice:
    about = involved_object("WorkflowRun", "shop", run, f"uid of {run}")
    return Notice(about, Key("shop", run), reason, message, **{"warning": True} | fields)


def on_event(number: int, run: str = "r1", **fields: Any) -> Notice:
    about = involved_object("WorkflowEvent", "shop", f"e{number}", f"uid of e{number}")
    return Notice(about, Key("shop", run), "Rejected", f"e{number}", warning=True, **fields)


def test_a_first_notice_is_written_at_once(writer: Writer) -> None:
    assert writer.add(on_run())
    assert writer.written == [("lost", 1)]


def test_notices_within_the_pause_are_merged_and_written_with_the_newest_text(
    writer: Writer,
) -> None:
    for number in range(1, 6):
        writer.add(on_run(message=f"attempt {number}"))
        writer.wait(1.0)
    assert writer.written == [("attempt 1", 1)]
    writer.wait(FIRST_NOTICE_PAUSE_S)
    assert writer.written == [("attempt 1", 1), ("attempt 5", 5)]


def test_a_notice_an_hour_later_is_written_at_once(writer: Writer) -> None:
    writer.add(on_run(message="first"))
    writer.wait(HOUR)
    writer.add(on_run(message="again"))
    assert writer.written == [("first", 1), ("again", 2)]


def test_endless_notices_are_written_ever_more_rarely_and_all_are_counted(
    writer: Writer,
) -> None:
    for _ in range(6 * 60 * 60):
        writer.add(on_run(message="loops"))
        writer.wait(1.0)
    assert len(writer.written) <= 12 + 6 * HOUR / LONGEST_NOTICE_PAUSE_S
    writer.wait(LONGEST_NOTICE_PAUSE_S)
    assert writer.written[-1] == ("loops", 6 * 60 * 60)


def test_two_reasons_of_one_object_do_not_wait_for_each_other(writer: Writer) -> None:
    writer.add(on_run("WorkerLost", "lost"))
    writer.add(on_run("Failed", "failed"))
    assert writer.written == [("lost", 1), ("failed", 1)]


def test_a_state_is_written_once_however_often_it_is_found(writer: Writer) -> None:
    for _ in range(100):
        assert writer.add(on_run("NoWorker", "none", since=NOON))
        writer.wait(60.0)
    assert writer.written == [("none", 1)]


def test_a_state_that_ended_and_began_again_is_written_again(writer: Writer) -> None:
    writer.add(on_run("NoWorker", "none", since=NOON))
    writer.wait(HOUR)
    writer.add(on_run("NoWorker", "none again", since=writer.now()))
    assert writer.written == [("none", 1), ("none again", 2)]


def test_ten_thousand_rejections_of_one_run_are_a_few_core_events_and_a_full_count(
    writer: Writer,
) -> None:
    for number in range(10_000):
        writer.add(on_event(number))
        writer.add(on_run("Rejected", f"the last: e{number}"))
        writer.wait(0.01)
    writer.wait(LONGEST_NOTICE_PAUSE_S)
    single = [text for text, _ in writer.written if not text.startswith("the last")]
    assert single[:MAX_EVENT_NOTICES_AT_ONCE] == [
        f"e{number}" for number in range(MAX_EVENT_NOTICES_AT_ONCE)
    ]
    assert len(single) <= MAX_EVENT_NOTICES_AT_ONCE + 2  # 100 s: one more a minute
    assert len(writer.written) <= MAX_EVENT_NOTICES_AT_ONCE + 2 + 6
    assert writer.written[-1] == ("the last: e9999", 10_000)


def test_the_events_of_one_run_do_not_silence_those_of_another(writer: Writer) -> None:
    for number in range(MAX_EVENT_NOTICES_AT_ONCE + 5):
        writer.add(on_event(number))
    assert not writer.add(on_event(98))
    assert writer.add(on_event(99, run="r2"))


def test_a_thousand_runs_without_a_worker_get_one_core_event_each(writer: Writer) -> None:
    for _ in range(3):
        for run in range(MAX_WAITING_NOTICES):
            assert writer.notices.add(on_run("NoWorker", run=f"r{run}", since=NOON))
        writer.write()
        writer.wait(60.0)
    assert len(writer.written) == MAX_WAITING_NOTICES


def test_a_notice_too_many_is_dropped_and_may_come_again(writer: Writer) -> None:
    crowd = [
        on_run("NoWorker", run=f"r{number}", since=NOON)
        for number in range(MAX_WAITING_NOTICES + 1)
    ]
    assert [writer.notices.add(each) for each in crowd] == [True] * MAX_WAITING_NOTICES + [False]
    writer.write()
    assert writer.add(crowd[-1])
    assert len(writer.written) == MAX_WAITING_NOTICES + 1


def test_normal_notices_leave_room_for_warnings(writer: Writer) -> None:
    taken = [
        writer.notices.add(on_run("Completed", run=f"r{number}", warning=False))
        for number in range(MAX_WAITING_NOTICES)
    ]
    assert taken.count(True) == MAX_WAITING_NOTICES // 2
    assert writer.notices.add(on_run("Failed", run="other"))


def test_notices_of_events_leave_room_for_warnings_on_runs(writer: Writer) -> None:
    taken = [
        writer.notices.add(on_event(number, run=f"r{number}", since=NOON))
        for number in range(MAX_WAITING_NOTICES)
    ]
    assert taken.count(True) == MAX_WAITING_NOTICES // 2
    assert writer.notices.add(on_run("NoWorker", run="other", since=NOON))


def test_a_notice_is_merged_into_a_waiting_one_although_there_is_no_room(writer: Writer) -> None:
    for number in range(MAX_WAITING_NOTICES):
        writer.notices.add(on_run(run=f"r{number}"))
    assert writer.notices.add(on_run(run="r7"))
    assert len(writer.notices) == MAX_WAITING_NOTICES


def test_the_number_of_remembered_notices_is_bounded(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_NOTICES_REMEMBERED", 5)
    for number in range(50):
        writer.add(on_run(run=f"r{number}"))
        writer.add(on_event(number, run=f"r{number}"))
    assert len(writer.notices._written) == len(writer.notices._budgets) == 5


def test_a_state_that_begins_after_the_clock_stepped_back_is_written(writer: Writer) -> None:
    writer.add(on_run(since=NOON))
    writer.wait(LONGEST_NOTICE_PAUSE_S)
    before = len(writer.written)

    writer.notices.on_jump(timedelta(hours=-1))
    writer.add(on_run(since=NOON - timedelta(minutes=50)))
    writer.wait(LONGEST_NOTICE_PAUSE_S)

    assert len(writer.written) == before + 1
