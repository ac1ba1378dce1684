"""Look into the core schema that pydantic makes of a type.

It tells what the annotations alone do not: aliases, serializers, the tags of a union.
"""

from collections.abc import Iterator
from typing import Any

KEYS_OF_USER_DATA = frozenset({"default", "metadata"})
"""Keys whose values are not schemas, but objects of users."""
MAX_REMEMBERED_CLASSES = 1_000
"""Classes for which an answer about the schema is cached."""


def nodes_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a core schema, each once."""
    waiting, seen = [schema], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            waiting += [below for name, below in node.items() if name not in KEYS_OF_USER_DATA]
            yield node
        elif isinstance(node, list | tuple):
            waiting += node


def tags_of(schema: Any, discriminator: str) -> tuple[str, ...]:
    """Return the tags of the unions in a schema that have a certain discriminator.

    Args:
        schema: A core schema.
        discriminator: Its name in pydantic's errors: `'kind'`, or `get_kind()`.
    """
    unions = [node for node in nodes_of(schema) if node.get("type") == "tagged-union"]
    meant = [each for each in unions if _text_of(each["discriminator"]) == discriminator]
    return tuple(dict.fromkeys(repr(tag) for each in meant or unions for tag in each["choices"]))


def _text_of(discriminator: Any) -> str:
    return repr(discriminator) if isinstance(discriminator, str) else f"{discriminator.__name__}()"
