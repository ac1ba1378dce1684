"""Validation of names, labels, annotations, finalizers and owner references."""

import re
from collections.abc import Iterator
from typing import Any

from grctl_local.errors import Cause, Json
from grctl_local.store import dump

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

LABEL = re.compile(_LABEL)
SUBDOMAIN = re.compile(_SUBDOMAIN)
QUALIFIED = re.compile(_QUALIFIED)
LABEL_VALUE = re.compile(f"({_QUALIFIED})?")

SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    rf" for validation is '{_SUBDOMAIN}')"
)
LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex"
    f" used for validation is '{_LABEL}')"
)
NAME_PART_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{_QUALIFIED}')"
)
LABEL_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',"
    f"  or '12345', regex used for validation is '({_QUALIFIED})?')"
)


def metadata_causes(metadata: Json, *, label_name: bool = False) -> Iterator[Cause]:
    """Return what is wrong with the metadata of an object."""
    name = metadata.get("name", "")
    if not name:
        message = "Required value: name or generateName is required"
        yield Cause("FieldValueRequired", "metadata.name", message)
    else:
        for words in name_errors(name, label=label_name):
            yield _invalid("metadata.name", name, words)
    for key, value in (metadata.get("labels") or {}).items():
        for words in key_errors(key):
            yield _invalid("metadata.labels", key, words)
        for words in value_errors(value):
            yield _invalid("metadata.labels", value, words)
    for key in metadata.get("annotations") or {}:
        for words in key_errors(key.lower()):
            yield _invalid("metadata.annotations", key, words)
    yield from _finalizer_causes(metadata.get("finalizers") or ())
    yield from _owner_causes(metadata.get("ownerReferences") or ())


def name_errors(name: str, *, label: bool = False) -> Iterator[str]:
    """Return what is wrong with a name: it must be a DNS subdomain, or one label of it."""
    longest, pattern, words = (
        (63, LABEL, LABEL_WORDS) if label else (253, SUBDOMAIN, SUBDOMAIN_WORDS)
    )
    if len(name) > longest:
        yield f"must be no more than {longest} characters"
    if not pattern.fullmatch(name):
        yield words


def key_errors(key: str) -> Iterator[str]:
    """Return what is wrong with the key of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash and not SUBDOMAIN.fullmatch(prefix):
        yield f"prefix part {SUBDOMAIN_WORDS}"
    if not name:
        yield "name part must be non-empty"
    elif len(name) > 63:
        yield "name part must be no more than 63 characters"
    elif not QUALIFIED.fullmatch(name):
        yield NAME_PART_WORDS


def value_errors(value: str) -> Iterator[str]:
    """Return what is wrong with the value of a label."""
    if len(value) > 63:
        yield "must be no more than 63 characters"
    if not LABEL_VALUE.fullmatch(value):
        yield LABEL_VALUE_WORDS


def _finalizer_causes(finalizers: Any) -> Iterator[Cause]:
    for finalizer in finalizers:
        for words in key_errors(finalizer):
            yield _invalid("metadata.finalizers", finalizer, words)


def _owner_causes(owners: Any) -> Iterator[Cause]:
    for owner in owners:
        if not owner.get("apiVersion"):
            yield _invalid("metadata.ownerReferences.apiVersion", "", "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                yield _invalid(f"metadata.ownerReferences.{name}", "", "must not be empty")


def _invalid(field: str, value: str, words: str) -> Cause:
    return Cause("FieldValueInvalid", field, f"Invalid value: {dump(value).decode()}: {words}")
