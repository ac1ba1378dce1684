"""How objects are shown: as they are, as a Table, or as metadata only.

The choice comes from `Accept`. As they are, the stored bytes go out untouched.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from grctl_local.errors import Json, not_acceptable
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.tables import partial_metadata, table
from grctl_local.store import Record, dump

JSON = "application/json"
ACCEPTED = frozenset({JSON, "application/*", "*/*"})


@dataclass(frozen=True)
class MediaType:
    """One entry of an Accept header."""

    name: str
    shape: str
    group: str
    version: str


class View(Protocol):
    """A way of showing objects of one kind."""

    def one(self, record: Record) -> bytes:
        """Show an object."""
        ...

    def many(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Show a list."""
        ...

    def streamed(self, record: Record) -> bytes:
        """Show an object in a watch."""
        ...


def media_types(accept: str) -> list[MediaType]:
    """Read an Accept header."""
    return [_media_type(entry) for entry in (accept or "*/*").split(",")]


def view(kind: Kind, accept: str, include_object: str) -> View:
    """Choose how to show objects.

    Raises:
        ApiError: the client accepts nothing that we have.
    """
    if not accept or accept == JSON:
        return PlainView(kind)
    for wanted in media_types(accept):
        if wanted.name not in ACCEPTED:
            continue
        if not wanted.shape:
            return PlainView(kind)
        if wanted.group != "meta.k8s.io" or wanted.version not in {"v1", "v1beta1"}:
            continue
        if wanted.shape == "Table":
            return TableView(kind, include_object)
        if wanted.shape in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return MetadataView()
    raise not_acceptable()


class PlainView:
    """Objects as they are, in the version that was asked for."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._converts = kind.api_version != kind.stored_api_version

    def one(self, record: Record) -> bytes:
        """Show an object."""
        if self._converts:
            return dump({**record.value, "apiVersion": self._kind.api_version})
        return record.data

    streamed = one

    def many(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Show a list."""
        return b'{"apiVersion":%b,"items":[%b],"kind":%b,"metadata":%b}' % (
            dump(self._kind.api_version),
            b",".join(self.one(record) for record in records),
            dump(self._kind.list_kind),
            dump(metadata),
        )


class TableView:
    """Rows of the kind's columns. A watch names the columns once."""

    def __init__(self, kind: Kind, include_object: str) -> None:
        self._kind = kind
        self._include = include_object or "Metadata"
        self._named = False

    def one(self, record: Record) -> bytes:
        """Show an object as a table of one row."""
        metadata = {"resourceVersion": str(record.revision)}
        return dump(table(self._kind, [record.value], metadata, self._include))

    def many(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Show a list as a table."""
        values = [record.value for record in records]
        return dump(table(self._kind, values, metadata, self._include))

    def streamed(self, record: Record) -> bytes:
        """Show an object as a table of one row, with the columns in the first one only."""
        metadata = {"resourceVersion": str(record.revision)}
        shown = table(self._kind, [record.value], metadata, self._include)
        if self._named:
            shown["columnDefinitions"] = None
        self._named = True
        return dump(shown)


class MetadataView:
    """Metadata and nothing else."""

    def one(self, record: Record) -> bytes:
        """Show an object's metadata."""
        return dump(partial_metadata(record.value))

    streamed = one

    def many(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Show a list of metadata."""
        return dump(
            {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": [partial_metadata(record.value) for record in records],
            }
        )


def _media_type(entry: str) -> MediaType:
    name, *parameters = (part.strip() for part in entry.split(";"))
    values = dict(part.partition("=")[::2] for part in parameters)
    return MediaType(name, values.get("as", ""), values.get("g", ""), values.get("v", ""))
