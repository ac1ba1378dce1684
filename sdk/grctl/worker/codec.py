"""The first grctl's module of codecs, for an error that says what to use instead."""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__,
        {
            "CodecRegistry": "pydantic makes JSON of values, and values of JSON. Make the type a"
            " pydantic model or a dataclass, or annotate it with pydantic.PlainSerializer and"
            " pydantic.PlainValidator"
        },
    )
