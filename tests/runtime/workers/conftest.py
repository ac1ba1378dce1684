from collections.abc import AsyncIterator

import pytest

from tests.runtime.workers.dispatcher_parts import Parts


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    made = Parts()
    await made.dispatcher.start("127.0.0.1", 0)
    yield made
    await made.dispatcher.stop()
