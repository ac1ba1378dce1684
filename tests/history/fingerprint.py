"""The fingerprint of a payload that a handler keeps in its run's store, to recognise it by."""

import hashlib

import orjson

MAX_KEPT_BYTES = 64  # of JSON; of a longer payload the digest is kept


def fingerprint(payload: object) -> object:
    """Return a short payload itself, and the digest of a long one."""
    text = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    return payload if len(text) <= MAX_KEPT_BYTES else hashlib.sha256(text).hexdigest()
