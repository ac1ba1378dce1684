"""What a schema fills in.

1. A missing field gets its default; then the defaults within it are filled in.
2. A null where none may be is no value: it is dropped, and a default takes its place.
3. The object is changed in place.
"""

import copy
from typing import Any

from grctl_local.errors import Json
from grctl_local.schema.node import MISSING, Node


def default(node: Node, value: Any) -> None:
    """Fill in defaults, and drop nulls that may not be, in a value and below."""
    if isinstance(value, dict):
        _default_object(node, value)
    elif isinstance(value, list) and node.items:
        for item in value:
            default(node.items, item)


def _default_object(node: Node, value: Json) -> None:
    for name, below in node.properties.items():
        found = value.get(name, MISSING)
        if found is None and not below.nullable and not below.is_free:
            del value[name]
            found = MISSING
        if found is MISSING and below.default is not MISSING:
            found = value[name] = copy.deepcopy(below.default)
        if found is not MISSING:
            default(below, found)
    if node.additional and not node.additional.is_free:
        for name, found in value.items():
            if name not in node.properties:
                default(node.additional, found)
