"""A history as text: readable at 100 columns, and the same columns while it is followed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.cli.history_text import followed_lines, history_lines
from grctl.models import EventPhase, HistoryEvent, HistoryItem, HistoryKind

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def item(kind: HistoryKind, minute: int, text: str, **fields: Any) -> HistoryItem:
    return HistoryItem(kind=kind, at=NOON + timedelta(minutes=minute), text=text, **fields)


def approved(**fields: Any) -> HistoryEvent:
    known = {"name": "order-abc-approve-x", "event_name": "approve", "phase": EventPhase.PROCESSED}
    return HistoryEvent(**(known | fields))


ITEMS = [
    item(HistoryKind.CREATED, 0, "a run of Purchase"),
    item(HistoryKind.START, 0, "waits for an event", commit=1, handler="start"),
    HistoryItem(kind=HistoryKind.GAP, text="2 commits are not known any more of 2 to 3"),
    item(
        HistoryKind.EVENT,
        9,
        "step pay is next",
        commit=4,
        handler="approve",
        worker="w-1",
        began_at=NOON + timedelta(minutes=8, seconds=57),
        attempts=3,
        tasks="charge (3), mail",
        event=approved(payload={"by": "jane"}, sender="kubectl-create"),
    ),
    item(HistoryKind.WAITING, 11, "waits for its turn", event=approved(event_name="comment")),
    item(HistoryKind.FINISHED, 12, "Completed."),
]


def test_each_item_is_a_line_with_its_time_its_commit_and_what_is_known_of_it() -> None:
    assert history_lines(ITEMS, None) == [
        "TIME (UTC)            #   WHAT             HOW",
        "2026-11-28 12:00:00       created          a run of Purchase",
        "2026-11-28 12:00:00   1   start            waits for an event",
        "?                         gap              2 commits are not known any more of 2 to 3",
        (
            "2026-11-28 12:09:00   4   event approve    step pay is next; on w-1 in 3s; attempt 3;"
            ' tasks: charge (3), mail; {"by": "jane"}; sent by kubectl-create'
        ),
        "2026-11-28 12:11:00       waits: comment   waits for its turn",
        "2026-11-28 12:12:00       finished         Completed.",
    ]


def test_a_history_fits_into_a_hundred_columns() -> None:
    lines = history_lines(ITEMS, 100)

    assert max(map(len, lines)) <= 100
    assert lines[4].endswith("step pay is next; on w-1 in 3s; attempt 3; tasks: charge")
    assert lines[5].strip() == '(3), mail; {"by": "jane"}; sent by kubectl-create'
    assert lines[5].index("(3)") == lines[0].index("HOW")


def test_an_event_that_another_operator_settled_says_that_its_worker_is_not_known() -> None:
    handled = item(HistoryKind.EVENT, 1, "handled", handler="approve", event=approved())

    assert history_lines([handled], None)[1].endswith("handled; worker not known")


def test_a_rejected_event_had_no_worker_that_could_be_known() -> None:
    event = approved(phase=EventPhase.REJECTED)
    rejected = item(HistoryKind.EVENT, 1, "rejected: no handler", event=event)

    assert history_lines([rejected], None)[1].endswith("event approve   rejected: no handler")


def test_long_payloads_and_names_are_cut_and_large_payloads_are_named() -> None:
    long = item(HistoryKind.WAITING, 1, "waits", event=approved(payload="x" * 300))
    named = item(HistoryKind.EVENT, 1, "handled", worker="w", event=approved(event_name="n" * 90))
    large = item(HistoryKind.WAITING, 1, "waits", event=approved(payload_bytes=9 * 1024))

    lines = history_lines([long, named, large], None)

    assert lines[1].endswith('; "' + "x" * 79 + "...")
    assert f"event {'n' * 27}...   handled" in lines[2]
    assert lines[3].endswith("waits; payload of 9 KiB, in wfe order-abc-approve-x")


def test_control_characters_in_a_history_are_escaped() -> None:
    odd = item(HistoryKind.EVENT, 1, "failed: \x1b[2J", event=approved(event_name="a\nb"))

    (_, line) = history_lines([odd], None)

    assert "\x1b" not in line
    assert "event a b" in line or "a\\nb" in line


def test_items_that_are_followed_stand_in_the_same_columns() -> None:
    lines = [
        line
        for number, each in enumerate(ITEMS)
        for line in followed_lines(each, 100, is_first=not number)
    ]

    assert lines[0].startswith("TIME (UTC)            #      WHAT                   HOW")
    starts = {
        line.find(each.text.split()[0], 40) for line, each in zip(lines[1:4], ITEMS, strict=False)
    }
    assert starts == {lines[0].index("HOW")}
