"""The forms in which objects are answered: as they are, as a Table, or as metadata only.

The `Accept` header chooses. An object that is answered as it is goes out in its stored bytes.
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


class Renderer(Protocol):
    """Writes objects of one kind in one form."""

    def render_one(self, record: Record) -> bytes:
        """Return the answer with one object."""
        ...

    def render_list(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Return the answer with a list of objects."""
        ...

    def render_streamed(self, record: Record) -> bytes:
        """Return an object as it stands in an event of a watch."""
        ...


def media_types(accept: str) -> list[MediaType]:
    """Return the entries of an Accept header."""
    return [_media_type(entry) for entry in (accept or "*/*").split(",")]


def choose_renderer(kind: Kind, accept: str, include_object: str) -> Renderer:
    """Return the renderer for the first form that the client accepts.

    Raises:
        StatusError: this server has none of the accepted forms.
    """
    if not accept or accept == JSON:
        return PlainRenderer(kind)
    for wanted in media_types(accept):
        if wanted.name not in ACCEPTED:
            continue
        if not wanted.shape:
            return PlainRenderer(kind)
        if wanted.group != "meta.k8s.io" or wanted.version not in {"v1", "v1beta1"}:
            continue
        if wanted.shape == "Table":
            return TableRenderer(kind, include_object)
        if wanted.shape in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return MetadataRenderer()
    raise not_acceptable()


class PlainRenderer:
    """Writes objects as they are, in the requested version."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._converts = kind.api_version != kind.stored_api_version

    def render_one(self, record: Record) -> bytes:
        """Return an object."""
        if self._converts:
            return dump({**record.value, "apiVersion": self._kind.api_version})
        return record.data

    render_streamed = render_one

    def render_list(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Return a list of objects."""
        return b'{"apiVersion":%b,"items":[%b],"kind":%b,"metadata":%b}' % (
            dump(self._kind.api_version),
            b",".join(self.render_one(record) for record in records),
            dump(self._kind.list_kind),
            dump(metadata),
        )


class TableRenderer:
    """Writes objects as rows of a table. A watch names the columns only once."""

    def __init__(self, kind: Kind, include_object: str) -> None:
        self._kind = kind
        self._include = include_object or "Metadata"
        self._has_named_columns = False

    def render_one(self, record: Record) -> bytes:
        """Return an object as a table of one row."""
        metadata = {"resourceVersion": str(record.revision)}
        return dump(table(self._kind, [record.value], metadata, self._include))

    def render_list(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Return objects as a table."""
        values = [record.value for record in records]
        return dump(table(self._kind, values, metadata, self._include))

    def render_streamed(self, record: Record) -> bytes:
        """Return an object as a table of one row. Only the first table names the columns."""
        metadata = {"resourceVersion": str(record.revision)}
        shown = table(self._kind, [record.value], metadata, self._include)
        if self._has_named_columns:
            shown["columnDefinitions"] = None
        self._has_named_columns = True
        return dump(shown)


class MetadataRenderer:
    """Writes only the metadata of objects."""

    def render_one(self, record: Record) -> bytes:
        """Return the metadata of an object."""
        return dump(partial_metadata(record.value))

    render_streamed = render_one

    def render_list(self, records: Iterable[Record], metadata: Json) -> bytes:
        """Return a list of the metadata of objects."""
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
