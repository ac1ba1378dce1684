"""Actions of a user, and failures of the network."""

from typing import Any

import pytest

from grctl.client import Client, WorkflowHandle
from grctl.kube import Api, UnreachableError


async def start(client: Client, name: str = "order-abc", **arguments: Any) -> WorkflowHandle:
    return await client.start_workflow(workflow_type="ProcessOrder", workflow_id=name, **arguments)


def lose_answers(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Lose the answers to the next creates, after their objects were created."""
    create, left = Api.create, [None] * times

    async def lossy(self: Api, *arguments: Any) -> Any:
        answer = await create(self, *arguments)
        if left:
            left.pop()
            raise UnreachableError("the answer was lost")
        return answer

    monkeypatch.setattr(Api, "create", lossy)
