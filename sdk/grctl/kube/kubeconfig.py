"""Kubeconfig files, read and merged as kubectl does.

1. If several files have an entry of one name, or a current context, the first of them counts.
   Entries are not merged field by field. Missing and empty files are skipped.
2. Of a file with several YAML documents the first one counts.
3. A relative path is relative to the directory of its file.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTION_KINDS = ("clusters", "users", "contexts")


class KubeconfigError(ValueError):
    """A kubeconfig cannot be used."""


@dataclass(frozen=True)
class Section:
    """A cluster, a user or a context, with the directory that its paths are relative to."""

    name: str
    """Its name in errors, such as `its user 'admin'`."""
    fields: dict[str, Any]
    directory: Path

    def text(self, key: str) -> str:
        """Return a field that is text; empty if it is missing."""
        return str(self._typed(key, str, "text") or "")

    def flag(self, key: str) -> bool:
        """Return a field that is true or false; False if it is missing."""
        return bool(self._typed(key, bool, "true or false"))

    def texts(self, key: str) -> list[str]:
        """Return a field that is a list of texts; empty if it is missing."""
        return [self._as_text(key, each) for each in self._typed(key, list, "a list") or ()]

    def mapping(self, key: str) -> dict[str, Any]:
        """Return a field that is a mapping; empty if it is missing."""
        return dict(self._typed(key, dict, "a mapping") or {})

    def path(self, key: str) -> Path | None:
        """Return a field that is a path, or None."""
        text = self.text(key)
        return self.directory / text if text else None

    def below(self, key: str) -> "Section":
        """Return a field that is a mapping, as a section of its own."""
        return Section(f"{key} of {self.name}", self.mapping(key), self.directory)

    def mappings(self, key: str) -> list["Section"]:
        """Return a field that is a list of mappings, each as a section; empty if it is missing."""
        entries = self._typed(key, list, "a list") or ()
        if not all(isinstance(each, dict) for each in entries):
            raise KubeconfigError(f"each entry of {key!r} of {self.name} must be a mapping")
        name = f"an entry of {key!r} of {self.name}"
        return [Section(name, each, self.directory) for each in entries]

    def _as_text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise KubeconfigError(f"{self.name} has {value!r} in {key!r}, which must be texts")
        return value

    def _typed(self, key: str, kind: type, wanted: str) -> Any:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, kind):
            shown = type(value).__name__  # the value may be a secret
            raise KubeconfigError(f"{key!r} of {self.name} must be {wanted}, not of type {shown}")
        return value


@dataclass
class Kubeconfig:
    """The merged content of the files."""

    current: str = ""
    clusters: dict[str, Section] = field(default_factory=dict)
    users: dict[str, Section] = field(default_factory=dict)
    contexts: dict[str, Section] = field(default_factory=dict)

    def context(self, name: str | None) -> Section:
        """Return a context; None stands for the current one.

        Raises:
            KubeconfigError: there is none of that name; the message lists those that there are.
        """
        if not name and not self.current:
            raise KubeconfigError(f"it has no current-context; contexts: {_names(self.contexts)}")
        return _named(self.contexts, name or self.current, "it has no context")

    def cluster(self, context: Section) -> Section:
        """Return the cluster of a context."""
        return _named(self.clusters, context.text("cluster"), f"{context.name} wants the cluster")

    def user(self, context: Section) -> Section:
        """Return the user of a context; without a name, a user without credentials."""
        name = context.text("user")
        if not name:
            return Section("no user", {}, context.directory)
        return _named(self.users, name, f"{context.name} wants the user")


def read(paths: Sequence[Path]) -> Kubeconfig:
    """Read files and merge them.

    Raises:
        KubeconfigError: a file is not a kubeconfig, or all are empty.
        OSError: a file cannot be read.
    """
    merged = Kubeconfig()
    contents = [(path, content) for path in paths if (content := _content(path))]
    if not contents:
        raise KubeconfigError("it is empty")
    for path, content in contents:
        merged.current = merged.current or content.text("current-context")
        for kind in SECTION_KINDS:
            sections = getattr(merged, kind)
            for name, section in _sections(content, kind, path):
                sections.setdefault(name, section)
    return merged


def _content(path: Path) -> Section | None:
    if not path.exists():
        return None
    first = _first_document(path.read_text(encoding="utf-8-sig"))
    if first is not None and not isinstance(first, dict):
        raise KubeconfigError(f"it must be a mapping, not of type {type(first).__name__}")
    return Section("it", first, path.absolute().parent) if first else None


def _first_document(text: str) -> Any:
    import yaml  # imported here: it takes a while, and a pod does not need it

    with suppress(ValueError):
        return json.loads(text)  # JSON may be indented by tabs, YAML may not
    try:
        return next(iter(yaml.safe_load_all(text)), None)
    except yaml.YAMLError as error:
        raise KubeconfigError(str(error)) from error


def _sections(content: Section, kind: str, path: Path) -> Iterator[tuple[str, Section]]:
    names: set[str] = set()
    singular = kind.removesuffix("s")
    for entry in content._typed(kind, list, "a list") or ():  # noqa: SLF001
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise KubeconfigError(f"each of its {kind} must be a mapping with a name")
        if name in names:
            raise KubeconfigError(f"two of its {kind} are named {name!r} in {path}")
        names.add(name)
        whole = Section(f"its {singular} {name!r}", entry, content.directory)
        yield name, Section(whole.name, whole.mapping(singular), content.directory)


def _named(sections: dict[str, Section], name: str, wanted: str) -> Section:
    if name in sections:
        return sections[name]
    raise KubeconfigError(f"{wanted} {name!r}; it has: {_names(sections)}")


def _names(sections: dict[str, Section]) -> str:
    return ", ".join(sorted(sections)) or "none"
