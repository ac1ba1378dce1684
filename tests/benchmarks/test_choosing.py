"""The benchmark of waits that choose runs. It asserts no figure: a test asserts no time."""

import pytest

from benchmarks.choosing import inbox_of, main


def test_a_small_and_a_full_inbox_are_measured_in_turns(capsys: pytest.CaptureFixture[str]) -> None:
    main(rounds=2)

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "beside 100 events",
        "beside 10,000 events",
    ]


def test_the_inbox_that_is_measured_handles_what_fits_in_order() -> None:
    inbox = inbox_of(201)

    handled = [inbox.handle_next() for _ in range(3)]

    assert [each.event_name for each in handled] == ["approve"] * 3
    assert [each.name for each in handled] == ["e101", "e201", "e301"]
