"""The JSON that every reader of it, the API server among them, keeps exact."""

MAX_JSON_INTEGER = 2**63 - 1
"""The API server reads a larger integer as a float, and so do many readers of JSON."""
MAX_JSON_LEVELS = 100
"""Levels of lists and objects in a value: far below what Kubernetes and orjson read, far above what
people write."""
