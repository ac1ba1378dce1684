"""Defaulting: fill in the defaults of a schema.

1. A missing field gets its default. Then the defaults within it are filled in.
2. A null in a field that is not nullable counts as missing.
3. The object is changed in place.
"""

import copy
from typing import Any

from grctl_local.errors import Json
from grctl_local.schema.node import ABSENT_VALUE, Node


def default(node: Node, value: Any) -> None:
    """Fill in defaults in a value and below, and drop nulls where the schema allows none."""
    if isinstance(value, dict):
        _default_object(node, value)
    elif isinstance(value, list) and node.items:
        for item in value:
            default(node.items, item)


def _default_object(node: Node, value: Json) -> None:
    for name, below in node.properties.items():
        found = value.get(name, ABSENT_VALUE)
        if found is None and not below.nullable and not below.is_free:
            del value[name]
            found = ABSENT_VALUE
        if found is ABSENT_VALUE and below.default is not ABSENT_VALUE:
            found = value[name] = copy.deepcopy(below.default)
        if found is not ABSENT_VALUE:
            default(below, found)
    if node.additional and not node.additional.is_free:
        for name, found in value.items():
            if name not in node.properties:
                default(node.additional, found)
