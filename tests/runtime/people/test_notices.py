"""What is due to be told, with clocks that the test moves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people import notices as module
from grctl_operator.runtime.people.announcer import involved_object
from grctl_operator.runtime.people.notices import (
    BURST,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    WAITING,
    Notice,
    Notices,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = 3600.0


class Teller:
    """Takes what is due at once, as an announcer does that is never slow."""

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
        """Let time pass, and write what becomes due meanwhile."""
        end = self.time + seconds
        while (due := self.notices.due_in()) is not None and self.time + due <= end:
            self.time += due
            self.write()
        self.time = end

    def write(self) -> None:
        while telling := self.notices.take():
            count = telling.count + telling.notice.times
            self.written.append((telling.notice.message, count))
            telling.wrote(count)


@pytest.fixture
def teller() -> Teller:
    return Teller()


def on_run(
    reason: str = "WorkerLost", message: str = "lost", run: str = "r1", **fields: Any
) -> Notice:
    about = involved_object("WorkflowRun", "shop", run, f"uid of {run}")
    return Notice(about, Key("shop", run), reason, message, **{"warning": True} | fields)


def on_event(number: int, run: str = "r1", **fields: Any) -> Notice:
    about = involved_object("WorkflowEvent", "shop", f"e{number}", f"uid of e{number}")
    return Notice(about, Key("shop", run), "Rejected", f"e{number}", warning=True, **fields)


def test_what_happens_is_said_at_once(teller: Teller) -> None:
    assert teller.add(on_run())
    assert teller.written == [("lost", 1)]


def test_what_happens_again_soon_is_counted_up_after_a_pause_with_its_newest_text(
    teller: Teller,
) -> None:
    for number in range(1, 6):
        teller.add(on_run(message=f"attempt {number}"))
        teller.wait(1.0)
    assert teller.written == [("attempt 1", 1)]
    teller.wait(FIRST_PAUSE)
    assert teller.written == [("attempt 1", 1), ("attempt 5", 5)]


def test_what_happens_again_an_hour_later_is_said_at_once(teller: Teller) -> None:
    teller.add(on_run(message="first"))
    teller.wait(HOUR)
    teller.add(on_run(message="again"))
    assert teller.written == [("first", 1), ("again", 2)]


def test_what_goes_on_for_ever_is_said_ever_more_rarely_and_no_occurrence_is_lost(
    teller: Teller,
) -> None:
    for _ in range(6 * 60 * 60):
        teller.add(on_run(message="loops"))
        teller.wait(1.0)
    assert len(teller.written) <= 12 + 6 * HOUR / LONGEST_PAUSE
    teller.wait(LONGEST_PAUSE)
    assert teller.written[-1] == ("loops", 6 * 60 * 60)


def test_two_reasons_of_one_object_do_not_wait_for_each_other(teller: Teller) -> None:
    teller.add(on_run("WorkerLost", "lost"))
    teller.add(on_run("Failed", "failed"))
    assert teller.written == [("lost", 1), ("failed", 1)]


def test_a_state_is_told_once_however_often_it_is_found(teller: Teller) -> None:
    for _ in range(100):
        assert teller.add(on_run("NoWorker", "none", since=NOON))
        teller.wait(60.0)
    assert teller.written == [("none", 1)]


def test_a_state_that_ended_and_began_again_is_told_again(teller: Teller) -> None:
    teller.add(on_run("NoWorker", "none", since=NOON))
    teller.wait(HOUR)
    teller.add(on_run("NoWorker", "none again", since=teller.now()))
    assert teller.written == [("none", 1), ("none again", 2)]


def test_ten_thousand_rejections_of_one_run_are_a_few_core_events_and_a_full_count(
    teller: Teller,
) -> None:
    for number in range(10_000):
        teller.add(on_event(number))
        teller.add(on_run("Rejected", f"the last: e{number}"))
        teller.wait(0.01)
    teller.wait(LONGEST_PAUSE)
    single = [text for text, _ in teller.written if not text.startswith("the last")]
    assert single[:BURST] == [f"e{number}" for number in range(BURST)]
    assert len(single) <= BURST + 2  # 100 s: one more a minute
    assert len(teller.written) <= BURST + 2 + 6
    assert teller.written[-1] == ("the last: e9999", 10_000)


def test_the_events_of_one_run_do_not_silence_those_of_another(teller: Teller) -> None:
    for number in range(BURST + 5):
        teller.add(on_event(number))
    assert not teller.add(on_event(98))
    assert teller.add(on_event(99, run="r2"))


def test_a_thousand_runs_without_a_worker_are_told_once_each(teller: Teller) -> None:
    for _ in range(3):
        for run in range(WAITING):
            assert teller.notices.add(on_run("NoWorker", run=f"r{run}", since=NOON))
        teller.write()
        teller.wait(60.0)
    assert len(teller.written) == WAITING


def test_what_is_too_much_is_dropped_and_may_come_again(teller: Teller) -> None:
    crowd = [on_run("NoWorker", run=f"r{number}", since=NOON) for number in range(WAITING + 1)]
    assert [teller.notices.add(each) for each in crowd] == [True] * WAITING + [False]
    teller.write()
    assert teller.add(crowd[-1])
    assert len(teller.written) == WAITING + 1


def test_good_news_give_way_to_warnings(teller: Teller) -> None:
    taken = [
        teller.notices.add(on_run("Completed", run=f"r{number}", warning=False))
        for number in range(WAITING)
    ]
    assert taken.count(True) == WAITING // 2
    assert teller.notices.add(on_run("Failed", run="other"))


def test_single_events_give_way_to_warnings_on_runs(teller: Teller) -> None:
    taken = [
        teller.notices.add(on_event(number, run=f"r{number}", since=NOON))
        for number in range(WAITING)
    ]
    assert taken.count(True) == WAITING // 2
    assert teller.notices.add(on_run("NoWorker", run="other", since=NOON))


def test_what_waits_already_takes_more_although_all_is_full(teller: Teller) -> None:
    for number in range(WAITING):
        teller.notices.add(on_run(run=f"r{number}"))
    assert teller.notices.add(on_run(run="r7"))
    assert len(teller.notices) == WAITING


def test_what_it_remembers_is_bounded(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 5)
    for number in range(50):
        teller.add(on_run(run=f"r{number}"))
        teller.add(on_event(number, run=f"r{number}"))
    assert len(teller.notices._told) == len(teller.notices._budgets) == 5


def test_a_state_that_begins_after_the_clock_stepped_back_is_told(teller: Teller) -> None:
    teller.add(on_run(since=NOON))
    teller.wait(LONGEST_PAUSE)
    before = len(teller.written)

    teller.notices.on_jump(timedelta(hours=-1))
    teller.add(on_run(since=NOON - timedelta(minutes=50)))
    teller.wait(LONGEST_PAUSE)

    assert len(teller.written) == before + 1
