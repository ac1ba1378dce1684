from rich.cells import cell_len

from grctl.cli.table import paragraph, table, wrapped_table

ROWS = [
    ("ID", "PHASE", "MESSAGE"),
    ("order-1", "WaitEvent", "Waits for an event: approve, reject."),
]


def test_columns_are_as_wide_as_their_widest_cell_and_nothing_trails() -> None:
    assert table([("ID", "PHASE", ""), ("order-1", "Failed", "x")], None) == [
        "ID        PHASE",
        "order-1   Failed   x",
    ]


def test_the_last_column_is_cut_at_the_edge_of_a_terminal() -> None:
    rows = [ROWS[0], ("order-1", "WaitEvent", "Waits for an event: approve, reject, escalate.")]
    assert table(rows, 62)[1] == "order-1   WaitEvent   Waits for an event: approve, reject,..."
    assert table(ROWS, 200)[1].endswith("approve, reject.")


def test_on_a_narrow_terminal_the_whole_last_column_is_below_its_row() -> None:
    assert table([*ROWS, ("order-2", "Pending", "")], 40) == [
        "ID        PHASE",
        "order-1   WaitEvent",
        "  Waits for an event: approve, reject.",
        "order-2   Pending",
    ]


def test_the_last_column_keeps_some_cells_on_any_terminal() -> None:
    assert table(ROWS, 10)[2:] == ["  Waits for an event:", "  approve, reject."]


def test_wide_characters_count_as_the_cells_they_take() -> None:
    lines = table([("審査", "a"), ("note", "b"), ("👍🏽", "c")], None)
    assert lines == ["審査   a", "note   b", "👍🏽     c"]
    assert cell_len(table([("id", "審査" * 30)], 51)[0]) <= 51


def test_a_long_last_column_is_wrapped_below_itself() -> None:
    assert wrapped_table([("1", "one two three four five")], 26, "  ") == [
        "  1   one two three four",
        "      five",
    ]


def test_a_word_is_broken_only_if_it_is_longer_than_a_line() -> None:
    assert paragraph("Run  ", f"a {'x' * 45}", 25) == [
        "Run  a",
        f"     {'x' * 20}",
        f"     {'x' * 20}",
        f"     {'x' * 5}",
    ]


def test_a_text_without_a_terminal_is_not_wrapped() -> None:
    assert paragraph("Run  ", "a" * 500, None) == [f"Run  {'a' * 500}"]
    assert paragraph("Run  ", "", 80) == ["Run"]
