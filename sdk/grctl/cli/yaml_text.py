"""YAML that readers of YAML 1.1 and of YAML 1.2 understand alike. Pure.

1. A string is written without quotes only if every reader takes it for a string: it begins with a
   letter, and is not one of `WORDS`. So everything that some reader takes for a number, a date, a
   time, `<<` or `~` is quoted: `0o7` is a number to some readers, `1:30` to others.
2. A character that a terminal or a reader of lines would obey is escaped within double quotes.
3. A text of several ordinary lines, such as a stack trace, is a literal block.
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
"""Words that some reader takes for a boolean, null or a number, in any case of letters."""

LINES = re.compile(r"(?!.*[ \t]$)\S.*(\n(?!.*[ \t]$).*)+", re.MULTILINE)
"""Lines of which the first one is not indented, and none ends in white space."""


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and strings as described above."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Return True: a value that occurs twice is written twice."""
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


_Dumper.add_representer(str, _represent)


def as_yaml(value: Any, *, unicode: bool = True) -> str:
    """Return YAML without its last line break. A long text stays on one line, as with kubectl.

    Args:
        value: JSON.
        unicode: Whether the output may have all characters; otherwise it is ASCII.
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=unicode, width=math.inf
    )
    return json_escaped(text.removesuffix("\n").removesuffix("\n..."))


def _style(text: str) -> str | None:
    """Return the style of a string. None: the emitter quotes it if it must."""
    if CONTROLS.search(text.replace("\n", "")):
        return '"'
    if LINES.fullmatch(text) and not text.endswith("\n\n"):
        return "|"
    ordinary = text[:1].isalpha() and "\n" not in text and text.casefold() not in WORDS
    return None if ordinary else '"'
