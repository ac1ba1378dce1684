"""A client whose creates of events are recorded, with the API server's answers."""

import os
from typing import Any, Self

from grctl.client import Client
from grctl.kube import EVENTS, Resource
from tests.history.recorder import Recorder

Json = dict[str, Any]


class RecordingClient(Client):
    """The SDK's client; the events that it creates are recorded as accepted."""

    def __init__(
        self, recorder: Recorder, namespace: str, kubeconfig: str | os.PathLike[str]
    ) -> None:
        super().__init__(namespace, kubeconfig)
        self._recorder = recorder

    async def __aenter__(self) -> Self:
        """Open it, and record what its `Access` creates."""
        await super().__aenter__()
        create = self._access.create

        async def create_and_record(resource: Resource, body: Json) -> Json:
            answer = await create(resource, body)
            if resource is EVENTS:
                self._recorder.note_created(answer)
            return answer

        self._access.create = create_and_record  # type: ignore[method-assign]
        return self
