from grctl_operator.engine.observation import Key
from grctl_operator.runtime.workers.waiting_line import WaitingLine

GROUP, OTHER = ("shop", "Order"), ("shop", "Invoice")
A, B, C = Key("shop", "a"), Key("shop", "b"), Key("shop", "c")


def line(*keys: Key) -> WaitingLine:
    made = WaitingLine()
    for key in keys:
        made.join(key, GROUP)
    return made


def test_keys_are_woken_in_the_order_in_which_they_came() -> None:
    made = line(B, A)
    assert [made.wake_next(GROUP), made.wake_next(GROUP), made.wake_next(GROUP)] == [B, A, None]


def test_a_key_that_joins_again_keeps_its_place() -> None:
    made = line(A, B)
    made.wake_next(GROUP)
    made.join(A, GROUP)
    assert made.wake_next(GROUP) == A


def test_a_key_that_waits_for_a_handler_is_woken_with_all_and_not_by_room() -> None:
    made = line(A)
    made.join(B, GROUP, room=False)
    assert [made.wake_next(GROUP), made.wake_next(GROUP)] == [A, None]
    assert made.wake_all(GROUP) == (A, B)
    assert made.is_woken(B)


def test_a_key_waits_for_a_handler_or_for_room_and_not_for_both() -> None:
    made = line(A)
    made.join(A, GROUP, room=False)
    assert (len(made), made.without_handler, made.wake_next(GROUP)) == (1, 1, None)
    made.join(A, GROUP)
    assert (len(made), made.without_handler, made.wake_next(GROUP)) == (1, 0, A)


def test_a_key_that_waits_for_a_handler_leaves() -> None:
    made = line()
    made.join(A, GROUP, room=False)
    assert made.leave(A) == GROUP
    assert (len(made), made.without_handler) == (0, 0)


def test_a_key_that_waits_for_another_group_leaves_the_first() -> None:
    made = line(A)
    made.join(A, OTHER)
    assert made.wake_next(GROUP) is None
    assert made.wake_next(OTHER) == A


def test_all_of_a_group_are_woken_together() -> None:
    made = line(A, B)
    made.join(C, OTHER)
    assert made.wake_all(GROUP) == (A, B)
    assert (made.is_woken(A), made.is_woken(C)) == (True, False)


def test_the_key_behind_one_that_used_no_room_is_woken() -> None:
    made = line(A, B, C)
    made.wake_next(GROUP)
    made.join(A, GROUP)
    assert made.wake_next(GROUP, after=A) == B


def test_a_key_that_left_no_longer_waits() -> None:
    made = line(A, B)
    assert made.leave(A) == GROUP
    assert A not in made
    assert made.wake_next(GROUP, after=A) == B
    assert made.leave(A) is None
    assert len(made) == 1
