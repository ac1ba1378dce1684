"""Text that comes from others, made safe to show: no character that a terminal would obey.

Names, messages and payloads come from users and from whoever sends events. Everything of theirs
that a process of ours writes for people goes through here: output of commands and log lines. What
people write stays as it is: letters of all scripts, combining marks, joined emoji.
"""

import re

OBEYED = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # the controls of ASCII and of Latin-1
    "\u2028\u2029\ufeff"  # ends of lines and paragraphs, and the byte order mark
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they show a text in another order than it has
    "\ud800-\udfff"  # halves of characters, which no encoding has
    "]"
)
"""Characters that a terminal or a reader of lines takes for a command."""

OBEYED_IN_LINES = re.compile(rf"(?!\n){OBEYED.pattern}")


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


def json_escaped(text: str) -> str:
    r"""Escape in JSON what a terminal would obey; JSON itself leaves some of it raw.

    Every such character but the end of a line stands within a string, and has four digits.

    Example:
        >>> json_escaped('"\x9b2J"')
        '"\\u009b2J"'
    """
    return OBEYED_IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return OBEYED.sub(_visible, text.replace("\t", " "))


def _visible(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
