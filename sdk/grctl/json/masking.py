"""Find pydantic's secrets: pydantic writes them as asterisks, and the value would be lost."""

from functools import lru_cache
from typing import Any

from pydantic import Secret, SecretBytes, SecretStr

from grctl.json.core_schema import MAX_REMEMBERED_CLASSES, nodes_of

SECRET_TYPES = (Secret, SecretBytes, SecretStr)
MASK = str(SecretStr("any"))


def hides_a_secret(value: Any, json: Any) -> bool:
    """Return whether the JSON of a pydantic value has asterisks in the place of a secret.

    It has none if the serializer of the value's class writes the secret itself.
    """
    kind = type(value)
    return _may_hold_secrets(kind) and _has_mask(json)  # type: ignore[arg-type]  # are hashable


@lru_cache(maxsize=MAX_REMEMBERED_CLASSES)
def _may_hold_secrets(kind: type) -> bool:
    schema = getattr(kind, "__pydantic_core_schema__", None)
    kinds = [kind, *(node["cls"] for node in nodes_of(schema) if "cls" in node)]
    return any(isinstance(each, type) and issubclass(each, SECRET_TYPES) for each in kinds)


def _has_mask(json: Any) -> bool:
    if isinstance(json, dict | list):
        return any(map(_has_mask, json.values() if isinstance(json, dict) else json))
    return bool(json == MASK)
