from pathlib import Path

from examples.greet import greet
from grctl.models import RunPhase
from tests.examples.conftest import staged


async def test_events_in_sequence_greet_and_say_farewell(tmp_path: Path) -> None:
    async with staged(tmp_path, greet) as stage:
        handle = await stage.client.start_workflow(
            workflow_type="GreetEvents", workflow_id="greet-ann", workflow_input={"name": "Ann"}
        )
        for event in ("greet", "greet", "farewell"):
            await handle.send(event)
        assert await handle.result(timeout=15) == "Goodbye, Ann!"
        info = await stage.until("greet-ann", RunPhase.COMPLETED)
    assert info.store["message"] == "Hello, Ann!"
    assert info.events.processed == 3
