"""Columns and paragraphs for people, by the cells that a character takes. Pure.

Only the last column gives way to the terminal's edge: what stands before it is short, and is what
one looks for. If the row leaves too little room for it, it stands in lines of its own below.
"""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

GAP = "   "
SHORTEST = 20  # cells that a text keeps: below, the terminal may break its lines
READABLE_CELLS = 40  # cells: a text that has fewer is better read in a line of its own
INDENT_BELOW = "  "  # before a text that stands below its row
CUT = "..."

Row = Sequence[str]


def table(rows: Sequence[Row], width: int | None) -> list[str]:
    """Give a line for each row, the last column cut at the terminal's edge.

    On a narrow terminal the last column stands whole below its row, and has no title.

    Args:
        rows: All of the same length.
        width: Cells of the terminal; None: nothing is cut.
    """
    halves = list(_halves(rows))
    if width is not None and any(width - cell_len(before) < READABLE_CELLS for before, _ in halves):
        return list(_stacked(halves, width))
    return [(before + _cut(last, _room(before, width))).rstrip() for before, last in halves]


def _stacked(halves: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield the lines of each row, and below them its last column."""
    for number, (before, last) in enumerate(halves):
        yield before.rstrip()
        if last and number:
            yield from paragraph(INDENT_BELOW, last, width)


def broken_table(rows: Sequence[Row], width: int | None, indent: str = "") -> list[str]:
    """Give the lines of a table whose last column goes on below itself."""
    halves = ((indent + before, last) for before, last in _halves(rows))
    return [line for before, last in halves for line in paragraph(before, last, width)]


def paragraph(before: str, text: str, width: int | None) -> list[str]:
    """Give a text that stands to the right of something, broken at the terminal's edge."""
    first, *others = _broken(text, _room(before, width)) or [""]
    indent = " " * cell_len(before)
    return [f"{before}{first}".rstrip(), *(f"{indent}{other}" for other in others)]


def _room(before: str, width: int | None) -> int | None:
    return None if width is None else max(width - cell_len(before), SHORTEST)


def _halves(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Give what stands before the last column, aligned, and the last column."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for *cells, last in rows:
        aligned = map(set_cell_size, cells, widths)
        yield "".join(cell + GAP for cell in aligned), last


def _cut(text: str, room: int | None) -> str:
    if room is None or cell_len(text) <= room:
        return text
    return set_cell_size(text, room - len(CUT)).rstrip() + CUT


def _broken(text: str, room: int | None) -> list[str]:
    """Break a text between words, and words only where one alone is too long."""
    if room is None or cell_len(text) <= room:
        return [text]
    lines = [""]
    for word in text.split(" "):
        for part in chop_cells(word, room) or [""]:
            longer = f"{lines[-1]} {part}" if lines[-1] else part
            if cell_len(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(part)
    return lines
