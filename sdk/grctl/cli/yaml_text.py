"""YAML that readers of YAML 1.1 and of YAML 1.2 understand alike. Pure.

1. A string stands without quotes only if no reader could take it for anything else: it begins with
   a letter, and is none of the words of `WORDS`. So numbers, dates, times, `<<` and `~` are quoted
   whatever they look like to one reader: `0o7` is a number to some, `1:30` to others.
2. What a terminal or a reader of lines would obey is escaped within double quotes.
3. Lines stay lines: a text of several ordinary lines, as a stack trace, is a literal block.
"""

import math
import re
from typing import Any

import yaml

from grctl.terminal import CONTROLS, json_escaped

WORDS = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "t", "f"}
    | {"null", "none", "nil", "undefined", "nan", "inf", "infinity"}
)
"""What some reader takes for a boolean, for nothing or for a number, in any case of letters."""

LINES = re.compile(r"(?!.*[ \t]$)\S.*(\n(?!.*[ \t]$).*)+", re.MULTILINE)
"""Lines of which the first is not indented, and none ends in white space."""


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and strings as the rules above have them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write each value where it stands."""
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


_Dumper.add_representer(str, _represent)


def as_yaml(value: Any, *, unicode: bool = True) -> str:
    """Write YAML without the end of its last line; long texts stay on one line, as in kubectl.

    Args:
        value: JSON.
        unicode: Whether the output takes all characters; otherwise it is ASCII.
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=unicode, width=math.inf
    )
    return json_escaped(text.removesuffix("\n").removesuffix("\n..."))


def _style(text: str) -> str | None:
    """Return the style of a string; None leaves it to the emitter, which quotes where it must."""
    if CONTROLS.search(text.replace("\n", "")):
        return '"'
    if LINES.fullmatch(text) and not text.endswith("\n\n"):
        return "|"
    ordinary = text[:1].isalpha() and "\n" not in text and text.casefold() not in WORDS
    return None if ordinary else '"'
