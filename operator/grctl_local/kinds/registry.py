"""The kinds that are served: the built-in ones, and one for each served version of each CRD."""

from collections.abc import Iterable, Iterator

from grctl_local.kinds.kind import Kind


class Registry:
    """The served kinds, by group, version and plural."""

    def __init__(self, builtin: Iterable[Kind]) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in builtin:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        """Serve a kind. It replaces an earlier one of the same name."""
        self._kinds[kind.group, kind.version, kind.plural] = kind

    def remove(self, group: str, plural: str) -> None:
        """Stop serving a resource, in all versions."""
        for key in [key for key in self._kinds if (key[0], key[2]) == (group, plural)]:
            del self._kinds[key]

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind of a URL, or None."""
        return self._kinds.get((group, version, plural))

    def of_resource(self, resource: str) -> Kind | None:
        """Return a kind of a resource (`widgets.example.com`) in any version, or None."""
        return next((kind for kind in self if kind.resource == resource), None)

    def of_type(self, api_version: str, name: str) -> Kind | None:
        """Return the kind that an object names by `apiVersion` and `kind`, or None."""
        return next(
            (kind for kind in self if (kind.api_version, kind.kind) == (api_version, name)), None
        )

    def in_version(self, group: str, version: str) -> list[Kind]:
        """Return the kinds of a group and version, sorted by name."""
        kinds = [kind for kind in self if (kind.group, kind.version) == (group, version)]
        return sorted(kinds, key=lambda kind: kind.plural)

    def groups(self) -> dict[str, list[str]]:
        """Return the versions of each group, the preferred one first. Leave out the core group."""
        groups: dict[str, list[str]] = {}
        for kind in self:
            versions = groups.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        groups.pop("", None)
        return groups

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())
