"""What people are told about a run outlives its operator, and agrees with what was committed."""

from tests.lab.lab import Lab
from tests.scenarios.durable.acting import start_run

EVENTS = 40
MANY_EVENTS = 5_000
SENDERS = 8
FLOOD_PATIENCE_S = 300.0


async def test_a_query_answers_for_the_store_of_the_last_commit(lab: Lab) -> None:
    operator, worker = await lab.start_both()
    handle = await start_run(lab)
    for number in range(1, 4):
        await (await handle.send("act", "none")).settled()
        assert await handle.query("summary") == f"{number} kept"
        operator.kill()
        worker.kill()
        assert await handle.query("summary") == f"{number} kept", "nothing is asked of them"
        await operator.start().until_logged("operator ready")
        worker.start()
