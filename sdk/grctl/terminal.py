"""Make text of others safe to show: escape each character that a terminal takes for a command.

Names, messages and payloads come from users and from senders of events. Our processes pass all of
it through here before they write it for people, in the output of a command or in a log line. Text
that people write stays as it is: letters of all scripts, combining marks, joined emoji.
"""

import re

CONTROLS = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # the controls of ASCII and of Latin-1
    "\u2028\u2029\ufeff"  # ends of lines and paragraphs, and the byte order mark
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they show a text in another order than it has
    "\ud800-\udfff"  # halves of characters, which no encoding has
    "]"
)
"""Characters that a terminal or a reader of lines takes for a command."""

CONTROLS_BUT_NEWLINE = re.compile(rf"(?!\n){CONTROLS.pattern}")


def printable(text: str) -> str:
    r"""Return a text as one line, without control characters.

    Example:
        >>> printable("a\nb\x1b[2J")
        'a b\\x1b[2J'
    """
    return _escape(" ".join(text.split("\n")))


def printable_lines(text: str, indent: str = "") -> str:
    r"""Return a text without control characters, its line breaks kept, `indent` after each.

    Example:
        >>> printable_lines("a\nb\x1b[2J", indent="  ")
        'a\n  b\\x1b[2J'
    """
    return f"\n{indent}".join(map(_escape, text.split("\n")))


def json_escaped(text: str) -> str:
    r"""Escape the control characters in a JSON text; JSON itself leaves some of them raw.

    Apart from line breaks they are all within strings, and each has at most four hex digits.

    Example:
        >>> json_escaped('"\x9b2J"')
        '"\\u009b2J"'
    """
    return CONTROLS_BUT_NEWLINE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return CONTROLS.sub(_visible, text.replace("\t", " "))


def _visible(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
