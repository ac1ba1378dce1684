"""Parameter: what a handler's parameter takes from a payload. Its keys, its type, its default.

pydantic's `Field(...)` has the same meaning here as in a model, as a default and in `Annotated`:
constraints, defaults and their factories, aliases, discriminators.
"""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, Field, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ABSENT = object()
"""Stands for the value of a key that a payload does not have. (null is a value.)"""


class Parameter:
    """A parameter that a payload binds to.

    Attributes:
        name: Its name in the function.
        required: Whether a payload must have it.
    """

    def __init__(self, written: inspect.Parameter, annotation: Any) -> None:
        self.name = written.name
        self._field = _field_of(written, annotation)
        self.required = self._field.is_required()
        own = written.default is not inspect.Parameter.empty and not is_field(written.default)
        self._keeps_default = own and not self._field.validate_default

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The adapter that validates its value.

        Raises:
            PydanticUserError: pydantic cannot make the type from JSON.
        """
        return TypeAdapter(_type_of(self._field))

    @cached_property
    def paths(self) -> tuple[AliasPath, ...]:
        """The places of its value in a payload: its aliases first, then its name."""
        alias = self._field.validation_alias or self._field.alias or self.name
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        paths = [each if isinstance(each, AliasPath) else AliasPath(each) for each in choices]
        return (*paths, AliasPath(self.name)) if alias != self.name else tuple(paths)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a payload under which it looks for its value."""
        return tuple(dict.fromkeys(str(each.path[0]) for each in self.paths))

    @property
    def required_key(self) -> str | None:
        """The key that each payload must have; None if it is optional or has several keys."""
        return self.keys[0] if self.required and len(self.keys) == 1 else None

    @property
    def shown_name(self) -> str:
        """Its name for the sender of a payload."""
        return ".".join(map(str, self.paths[0].path))

    def find(self, payload: dict[str, Any]) -> Any:
        """Return its value in a payload, or ABSENT."""
        for each in self.paths:
            key = each.path[0]
            if key not in payload:
                continue
            found = payload[key] if len(each.path) == 1 else each.search_dict_for_path(payload)
            if found is not PydanticUndefined:
                return found
        return ABSENT

    def default(self, arguments: Mapping[str, Any]) -> Any:
        """Return its default; ABSENT if Python's own default of the function applies.

        Args:
            arguments: The arguments before it, which a `default_factory` may take.

        Raises:
            ValidationError: the field asks for its default to be validated, and it does not fit.
        """
        if self._keeps_default:
            return ABSENT
        value = self._field.get_default(call_default_factory=True, validated_data=dict(arguments))
        return self.adapter.validate_python(value) if self._field.validate_default else value

    def schemas(self, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each key with the JSON schema of its value in a payload."""
        for each in self.paths:
            yield str(each.path[0]), schema if len(each.path) == 1 else {}


def is_field(default: Any) -> bool:
    """Return whether a default was made by `Field(...)`, of pydantic or of dataclasses."""
    return isinstance(default, FieldInfo | dataclasses.Field)


def default_text(default: Any) -> str:
    """Return a default as people read it; empty if there is none, as in `Field(gt=0)`."""
    if not is_field(default):
        return "" if default is ... or default is inspect.Parameter.empty else repr(default)
    field = FieldInfo.from_annotated_attribute(Any, default)
    if field.is_required():
        return ""
    factory = field.default_factory
    return f"{getattr(factory, '__name__', 'default')}()" if factory else repr(field.default)


def _field_of(written: inspect.Parameter, annotation: Any) -> FieldInfo:
    if written.default is inspect.Parameter.empty:
        return FieldInfo.from_annotation(annotation)
    return FieldInfo.from_annotated_attribute(annotation, written.default)


def _type_of(field: FieldInfo) -> Any:
    """Return the annotation with the field's constraints, without its aliases and default."""
    said = Field(
        title=field.title,
        description=field.description,
        examples=field.examples,
        discriminator=field.discriminator,
        json_schema_extra=field.json_schema_extra,
    )
    return Annotated[field.annotation, *field.metadata, said]
