"""Where the kinds of objects live in the API."""

from dataclasses import dataclass
from urllib.parse import quote

from grctl.models.base import API_VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind's place: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME/SUBRESOURCE`."""

    prefix: str
    plural: str

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Give the path of an object, or of the collection where `name` is None."""
        parts = [self.prefix]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)


RUNS = Resource(f"/apis/{API_VERSION}", "workflowruns")
EVENTS = Resource(f"/apis/{API_VERSION}", "workflowevents")
CORE_EVENTS = Resource("/api/v1", "events")
LEASES = Resource("/apis/coordination.k8s.io/v1", "leases")
TOKEN_REVIEWS = Resource("/apis/authentication.k8s.io/v1", "tokenreviews")
ACCESS_REVIEWS = Resource("/apis/authorization.k8s.io/v1", "subjectaccessreviews")
CRDS = Resource("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")
