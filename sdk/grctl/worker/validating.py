"""Validate a value of a payload or of the store as the type that a user's code names."""

from grctl.json.validating import validate_json

__all__ = ["validate_json"]
