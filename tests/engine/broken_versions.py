"""Engines that are broken on purpose in what they know of a workflow's versions and names.

They are registered beside those of `broken_engines`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from grctl_operator.engine import (
    Decision,
    ahead,
    commit,
    decide,
    dispatch,
    inbox,
    names,
    versions,
)
from grctl_operator.engine.situation import Situation
from tests.engine.breaking import broken


@broken("versions come and go")
def a_name_that_no_connected_worker_has_is_unknown(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    def has(situation: Situation, name: str) -> bool:
        return name in names.connected_event_names(situation)

    patch.setattr(inbox, "is_known", has)
    return decide


@broken("versions come and go")
def the_first_version_that_refuses_a_payload_decides(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(commit, "is_open", lambda situation, held: False)
    return decide


@broken("versions come and go")
def a_refusal_beats_the_version_that_takes_the_payload(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    right = versions.is_open

    def is_open(situation: Situation, held: Any) -> bool:
        return right(situation, held) and not any(
            each.outcome and not versions.is_refusal(each.outcome) for each in situation.in_flight
        )

    patch.setattr(commit, "is_open", is_open)
    return decide


@broken("versions come and go")
def a_version_that_refused_is_asked_again(patch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    patch.setattr(dispatch, "refused_by", lambda situation: ())
    return decide


@broken("versions come and go")
def names_are_forgotten_when_no_worker_has_them(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(names, "MAX_PAST_EVENT_NAMES", -1)
    return decide


@broken("versions come and go, and operators")
def an_event_is_given_to_a_worker_before_its_name_is_written(
    patch: pytest.MonkeyPatch,
) -> Callable[..., Decision]:
    patch.setattr(dispatch, "is_written", lambda situation, name: True)
    patch.setattr(ahead, "is_written", lambda situation, name: True)
    return decide
