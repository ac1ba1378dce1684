from pathlib import Path

import pytest

from examples.event_names import order
from tests.examples.conftest import staged


@pytest.mark.parametrize(
    ("event", "result"), [("order.rejected", "rejected"), ("approve", "approved")]
)
async def test_an_event_goes_by_the_name_it_was_given(
    tmp_path: Path, event: str, result: str
) -> None:
    async with staged(tmp_path, order) as stage:
        handle = await stage.client.start_workflow(
            workflow_type="ReviewOrder", workflow_id="order-abc", workflow_input={"order_id": "abc"}
        )
        await handle.send(event)
        assert await handle.result(timeout=15) == result
