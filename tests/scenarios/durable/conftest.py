"""The scenarios of durable handlers run with workflows whose handlers call tasks."""

import pytest

from tests.lab.durable import WORKFLOWS


@pytest.fixture
def workflows() -> tuple[str, ...]:
    """What the workers of the lab serve."""
    return WORKFLOWS
