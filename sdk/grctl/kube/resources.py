"""The paths of the kinds of objects in the API."""

from dataclasses import dataclass
from urllib.parse import quote

from grctl.models.base import API_VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """The path of a kind: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME/SUBRESOURCE`."""

    prefix: str
    plural: str

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the path of an object, or of the collection where `name` is None.

        Raises:
            ValueError: a name would lead to another path: `..` is not a name of an object.
        """
        parts = [self.prefix]
        if namespace:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        parts += [_segment(part) for part in (name, subresource) if part]
        return "/".join(parts)


def _segment(name: str) -> str:
    if name in {".", ".."}:  # a client or a server would resolve it
        raise ValueError(f"{name!r} is not a name of an object")
    return quote(name, safe="")


RUNS = Resource(f"/apis/{API_VERSION}", "workflowruns")
EVENTS = Resource(f"/apis/{API_VERSION}", "workflowevents")
CORE_EVENTS = Resource("/api/v1", "events")
LEASES = Resource("/apis/coordination.k8s.io/v1", "leases")
TOKEN_REVIEWS = Resource("/apis/authentication.k8s.io/v1", "tokenreviews")
ACCESS_REVIEWS = Resource("/apis/authorization.k8s.io/v1", "subjectaccessreviews")
CRDS = Resource("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")
