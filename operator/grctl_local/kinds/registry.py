"""Which kinds are served: the built-in ones, and one for each version of each established CRD."""

from collections.abc import Iterable, Iterator

from grctl_local.kinds.kind import Kind


class Registry:
    """Kinds by where they are found."""

    def __init__(self, builtin: Iterable[Kind]) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in builtin:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        """Serve a kind, in place of an earlier one of that name."""
        self._kinds[kind.group, kind.version, kind.plural] = kind

    def remove(self, group: str, plural: str) -> None:
        """Stop serving a resource, in all versions."""
        for key in [key for key in self._kinds if (key[0], key[2]) == (group, plural)]:
            del self._kinds[key]

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Give a kind by its place in the URL."""
        return self._kinds.get((group, version, plural))

    def of_resource(self, resource: str) -> Kind | None:
        """Give a kind, in some version, by its resource (`widgets.example.com`)."""
        return next((kind for kind in self if kind.resource == resource), None)

    def of_type(self, api_version: str, name: str) -> Kind | None:
        """Give a kind by what an object says of itself."""
        return next(
            (kind for kind in self if (kind.api_version, kind.kind) == (api_version, name)), None
        )

    def in_version(self, group: str, version: str) -> list[Kind]:
        """Give the kinds of a group and version, by name."""
        kinds = [kind for kind in self if (kind.group, kind.version) == (group, version)]
        return sorted(kinds, key=lambda kind: kind.plural)

    def groups(self) -> dict[str, list[str]]:
        """Give all groups but the core one, with their versions, the preferred one first."""
        groups: dict[str, list[str]] = {}
        for kind in self:
            versions = groups.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        groups.pop("", None)
        return groups

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())
