"""Text that comes from others, made safe to show: no character that a terminal would obey.

Names, messages and payloads come from users and from whoever sends events. Everything of theirs
that a process of ours writes for people goes through here: output of commands and log lines.
"""

import unicodedata

DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They would show a text in another order than it has."""
SEPARATORS = frozenset("\u2028\u2029")
"""Some terminals begin a new line at them."""


def printable(text: str) -> str:
    r"""Return one line of text that no terminal obeys.

    Example:
        >>> printable("a\nb\x1b[2J")
        'a b\\x1b[2J'
    """
    return _escaped(" ".join(text.split("\n")))


def printable_lines(text: str, indent: str = "") -> str:
    r"""Return text that no terminal obeys, with its line breaks and `indent` before each new line.

    Example:
        >>> printable_lines("a\nb\x1b[2J", indent="  ")
        'a\n  b\\x1b[2J'
    """
    return f"\n{indent}".join(map(_escaped, text.split("\n")))


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    if (
        character in DIRECTIONS
        or character in SEPARATORS
        or unicodedata.category(character) in {"Cc", "Cs"}
    ):
        return character.encode("unicode_escape").decode("ascii")
    return character
