"""A client that notes what the API server answers to its creates of events."""

import os
from typing import Any, Self

from grctl.client import Client
from grctl.client.access import Access
from grctl.kube import EVENTS, Resource
from tests.history.recorder import Recorder

Json = dict[str, Any]


class _NotingAccess(Access):
    """The client's own access, with a notebook."""

    def __init__(self, access: Access, recorder: Recorder) -> None:
        super().__init__(access._api, access.namespace)
        self._recorder = recorder

    async def create(self, resource: Resource, body: Json) -> Json:
        """Create an object; note it if it is an event."""
        answer = await super().create(resource, body)
        if resource is EVENTS:
            self._recorder.created(answer)
        return answer


class NotingClient(Client):
    """The SDK's client; what it sends is recorded as accepted."""

    def __init__(
        self, recorder: Recorder, namespace: str, kubeconfig: str | os.PathLike[str]
    ) -> None:
        super().__init__(namespace, kubeconfig)
        self._recorder = recorder

    async def __aenter__(self) -> Self:
        """Open it."""
        await super().__aenter__()
        self._opened = _NotingAccess(self._access, self._recorder)
        return self
