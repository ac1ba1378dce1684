"""Compare two values as JSON, which Python's `==` does not do.

In Python `False == 0` and `True == 1`; in JSON a boolean is not a number. `1` and `1.0` are one
number in JSON, and an API server stores both as `1`.
"""

from typing import Any


def same_json(one: Any, other: Any) -> bool:
    """Return whether two JSON values, as Python objects, are the same.

    Use it for all values of users: payloads, inputs, results, stores.

    Example:
        >>> same_json({"paid": 0}, {"paid": False}), same_json([1], [1.0])
        (False, True)
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same_json(value, other[name]) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
