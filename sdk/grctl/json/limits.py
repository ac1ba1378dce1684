"""Limits within which every reader of JSON, also the API server, keeps a value exact."""

MAX_JSON_INTEGER = 2**63 - 1
"""The API server reads a larger integer as a float, and so do many readers of JSON."""
MAX_JSON_LEVELS = 100
"""Levels of lists and objects in a value: far fewer than Kubernetes and orjson read, far more than
people write."""
