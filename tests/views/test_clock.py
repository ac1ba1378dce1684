from datetime import UTC, datetime, timedelta

import pytest

from grctl_operator.engine.observation import LONG_AGO
from grctl_operator.views.clock import ServerClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Machine:
    """A machine's clock and a server whose clock is `ahead` of it."""

    def __init__(self, ahead: float) -> None:
        self.local = 1000.0
        self.ahead = ahead
        self.jumps: list[timedelta] = []
        self.clock = ServerClock(lambda: self.local, on_jump=self.jumps.append)

    @property
    def server_time(self) -> datetime:
        return NOON + timedelta(seconds=self.local + self.ahead)

    def ask(self, there: float = 0.01, back: float = 0.01) -> None:
        self.local += there
        date = self.server_time.replace(microsecond=0)
        self.local += back
        self.clock.on_answer(there + back, date)

    def behind(self) -> float:
        return (self.server_time - self.clock.now()).total_seconds()


def test_now_is_never_after_the_servers_time() -> None:
    machine = Machine(ahead=0.3)
    for step in range(200):
        machine.local += 0.137
        machine.ask(there=0.01 * (step % 7), back=0.05 * (step % 3))
        assert machine.behind() >= 0


def test_one_answer_tells_the_time_to_a_second() -> None:
    machine = Machine(ahead=0.9)
    machine.ask()
    assert machine.behind() < 1.1


def test_many_answers_tell_the_time_to_the_length_of_a_request() -> None:
    machine = Machine(ahead=0.3)
    for _ in range(200):
        machine.local += 0.137
        machine.ask(there=0.005, back=0.005)
    assert machine.behind() < 0.05


def test_now_goes_on_between_answers() -> None:
    machine = Machine(ahead=5.0)
    machine.ask()
    before = machine.clock.now()
    machine.local += 10.0
    assert machine.clock.now() - before == pytest.approx(
        timedelta(seconds=10), abs=timedelta(seconds=0.01)
    )


def test_now_never_goes_back_without_a_jump() -> None:
    machine = Machine(ahead=0.3)
    last = None
    for _ in range(100):
        machine.local += 0.2
        machine.ask()
        now = machine.clock.now()
        assert last is None or now > last
        last = now


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_the_servers_clock_is_followed(jump: float) -> None:
    machine = Machine(ahead=0.3)
    machine.ask()
    machine.ahead += jump
    machine.ask()
    assert 0 <= machine.behind() < 1.1


def test_clocks_that_drift_apart_do_not_make_now_late() -> None:
    machine = Machine(ahead=0.3)
    for _ in range(50):
        machine.local += 0.137
        machine.ask()
    for _ in range(100):
        machine.local += 600.0
        machine.ahead -= 600.0 * 50e-6
        assert machine.behind() >= 0
        machine.ask()


def test_the_time_is_not_known_before_the_first_answer() -> None:
    clock = ServerClock(lambda: 0.0, on_jump=lambda _: None)
    assert not clock.is_known
    with pytest.raises(RuntimeError, match="has not answered yet"):
        clock.now()


def test_a_jump_of_a_clock_is_reported_and_an_ordinary_answer_is_not() -> None:
    machine = Machine(ahead=0.3)
    jumps = machine.jumps
    machine.ask()
    machine.local += 10
    machine.ask()
    assert jumps == []

    machine.ahead += 3600
    machine.ask()

    assert [round(jump.total_seconds() / 3600) for jump in jumps] == [1]
    assert machine.behind() < 1.1


def test_a_step_back_is_reported_with_its_length_and_earlier_readings_are_not_past() -> None:
    machine = Machine(ahead=0.3)
    jumps = machine.jumps
    machine.ask()
    read = machine.clock.now()
    machine.local += 10
    machine.ask()
    assert machine.clock.past_or_long_ago(read) == read

    machine.ahead -= 3600
    machine.ask()

    assert [round(jump.total_seconds() / 3600) for jump in jumps] == [-1]
    assert machine.clock.past_or_long_ago(read) == LONG_AGO
