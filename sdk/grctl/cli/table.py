"""Columns and paragraphs for people, measured in the cells that characters take. Pure.

Only the last column is fitted to the terminal's width: the columns before it are short, and are the
ones that a person looks for. If too little room is left, the last column goes below its row.
"""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

GAP = "   "
MIN_TEXT_CELLS = 20  # on a narrower terminal the lines are too long
MIN_READABLE_CELLS = 40  # a text that has fewer is better read in a line of its own
INDENT_BELOW = "  "  # before a text below its row
ELLIPSIS = "..."

Row = Sequence[str]


def table(rows: Sequence[Row], width: int | None) -> list[str]:
    """Return a line for each row, with the last column cut at the terminal's edge.

    On a narrow terminal the whole last column is below its row, and has no title.

    Args:
        rows: The rows, all of the same length.
        width: Cells of the terminal; None: no column is cut.
    """
    halves = list(_halves(rows))
    if width is not None and any(
        width - cell_len(before) < MIN_READABLE_CELLS for before, _ in halves
    ):
        return list(_stacked(halves, width))
    return [(before + _cut(last, _room(before, width))).rstrip() for before, last in halves]


def _stacked(halves: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield the lines of each row, and below them its last column."""
    for number, (before, last) in enumerate(halves):
        yield before.rstrip()
        if last and number:
            yield from paragraph(INDENT_BELOW, last, width)


def wrapped_table(rows: Sequence[Row], width: int | None, indent: str = "") -> list[str]:
    """Return the lines of a table whose last column is wrapped."""
    halves = ((indent + before, last) for before, last in _halves(rows))
    return [line for before, last in halves for line in paragraph(before, last, width)]


def paragraph(before: str, text: str, width: int | None) -> list[str]:
    """Return the lines of a text to the right of another, wrapped at the terminal's edge."""
    first, *others = _wrapped(text, _room(before, width)) or [""]
    indent = " " * cell_len(before)
    return [f"{before}{first}".rstrip(), *(f"{indent}{other}" for other in others)]


def _room(before: str, width: int | None) -> int | None:
    return None if width is None else max(width - cell_len(before), MIN_TEXT_CELLS)


def _halves(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield the aligned columns before the last one, and the last one."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for *cells, last in rows:
        aligned = map(set_cell_size, cells, widths)
        yield "".join(cell + GAP for cell in aligned), last


def _cut(text: str, room: int | None) -> str:
    if room is None or cell_len(text) <= room:
        return text
    return set_cell_size(text, room - len(ELLIPSIS)).rstrip() + ELLIPSIS


def _wrapped(text: str, room: int | None) -> list[str]:
    """Return the lines of a text. A word is broken only if it alone is too long for a line."""
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
