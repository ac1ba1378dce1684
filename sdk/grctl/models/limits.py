"""Sizes that are checked before a write, in bytes of JSON.

etcd refuses an object over 1.5 MiB, and the API server answers that with 500, which looks like
something to retry and is not. So what would not fit is refused before, naming what and how much.
"""

KIB = 1024
STORE = 256 * KIB
RESULT = 256 * KIB
PAYLOAD = 512 * KIB
RUN = 1024 * KIB
MESSAGE = 4 * KIB
"""A message or a stack trace is cut to this."""
STACK_TRACE = 16 * KIB
LARGEST_INTEGER = 2**63 - 1
"""The API server reads a larger integer as a float, and so do many readers of JSON."""
DEEPEST = 100
"""Levels of lists and objects in a value: far below what Kubernetes and orjson read, far above what
people write."""

SHOWN_TEXT = 2 * MESSAGE
"""Characters of a message that the API server takes, at most. We write less."""
SHOWN_TRACE = 2 * STACK_TRACE
SHOWN_NAMES = 1000
"""Entries of a list of names that is shown to people."""
