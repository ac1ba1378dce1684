"""What a handler keeps of a payload in its run's store: enough to know it again."""

import hashlib

import orjson

KEPT = 64  # bytes of JSON: what is longer is known by its digest


def noted(payload: object) -> object:
    """Give what is kept of a payload: itself, or its digest where it is long."""
    text = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    return payload if len(text) <= KEPT else hashlib.sha256(text).hexdigest()
