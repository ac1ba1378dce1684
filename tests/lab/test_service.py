"""The service counts calls, holds them and fails as the test says."""

import asyncio
from pathlib import Path

import pytest

from grctl.models import HandlerKind
from grctl.models.wire import Execute, Execution
from grctl.worker.context import Context
from tests.lab.service import RefusedError, Service, calls_from
from tests.lab.waiting import eventually
from tests.lab.workflows import append


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A service whose calls come from the first execution of a start handler."""
    execution = Execution(
        id="x",
        namespace="n",
        workflow_id="a",
        workflow_type="Append",
        run_uid="run",
        commits=0,
        attempt=1,
        handler_kind=HandlerKind.START,
        handler_name="start",
    )
    calls_from(Context(append, Execute(execution=execution)))
    return Service(tmp_path)


async def test_each_call_is_counted_and_returns_a_result_of_its_own(service: Service) -> None:
    assert [await service.call("charge", "key") for _ in range(2)] == ["charge-1", "charge-2"]
    assert service.begun == service.ended == {"charge": 2}
    assert service.keys("charge") == ["key", "key"]
    assert [call.handler for call in service.calls] == ["run-0"] * 4


async def test_a_call_that_is_held_has_begun_and_not_ended(service: Service) -> None:
    service.hold("charge")
    call = asyncio.create_task(service.call("charge", "key"))
    await eventually(lambda: service.begun["charge"] == 1, "the call has begun")
    assert service.ended["charge"] == 0
    service.release("charge")
    assert await call == "charge-1"


async def test_only_the_first_calls_of_a_key_fail(service: Service) -> None:
    service.fail("charge", 1, RefusedError)
    with pytest.raises(RefusedError, match="charge-1 failed"):
        await service.call("charge", "key")
    assert await service.call("charge", "key") == "charge-2"
    with pytest.raises(RefusedError, match="charge-3 failed"):
        await service.call("charge", "another key")
    assert await service.call("mail", "key") == "mail-1"
