"""Pruning: drop the fields of an object that its schema does not know.

1. Below `x-kubernetes-preserve-unknown-fields` unknown fields stay, but the values of known fields
   are still pruned.
2. `apiVersion`, `kind` and `metadata` are known at the root and in embedded resources.
3. The object is changed in place.
"""

from typing import Any

from grctl_local.errors import Json
from grctl_local.schema.node import Node

ALWAYS_KNOWN = frozenset({"apiVersion", "kind", "metadata"})


def prune(root: Node, value: Json) -> list[str]:
    """Drop unknown fields of an object. Return their paths in order."""
    unknown: list[str] = []
    _prune_object(root, value, "", unknown, keep=ALWAYS_KNOWN)
    return unknown


def _prune(node: Node, value: Any, path: str, unknown: list[str]) -> None:
    if node.is_free:
        return
    if isinstance(value, dict):
        keep = ALWAYS_KNOWN if node.embedded else frozenset[str]()
        _prune_object(node, value, path, unknown, keep)
    elif isinstance(value, list) and node.items:
        for index, item in enumerate(value):
            _prune(node.items, item, f"{path}[{index}]", unknown)


def _prune_object(
    node: Node, value: Json, path: str, unknown: list[str], keep: frozenset[str]
) -> None:
    for name in sorted(value):
        here = f"{path}.{name}" if path else name
        below = node.below(name)
        if name in keep:
            continue
        if below:
            _prune(below, value[name], here, unknown)
        elif not node.preserve:
            del value[name]
            unknown.append(here)
