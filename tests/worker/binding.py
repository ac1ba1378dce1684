"""Bind payloads to the parameters of a function, for tests."""

from collections.abc import Callable
from typing import Any

import pytest

from grctl.worker.binding import bind
from grctl.worker.problems import BadPayloadError
from grctl.workflow.signature import Signature


def bound(function: Callable[..., Any], payload: Any) -> dict[str, Any]:
    """Return the arguments that a function gets for a payload."""
    return bind(Signature(function), payload)


def refusal(function: Callable[..., Any], payload: Any) -> str:
    """Return the message with which a payload is refused."""
    with pytest.raises(BadPayloadError) as caught:
        bound(function, payload)
    return str(caught.value)
