"""The table of phases: a final phase stays, and a change that it lacks is refused by name."""

import pytest

from grctl.models import RunPhase
from grctl_operator.engine.transitions import TRANSITIONS, check_transition


def test_every_phase_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(RunPhase)


@pytest.mark.parametrize("phase", [phase for phase in RunPhase if phase.finished])
def test_a_final_phase_is_followed_by_none(phase: RunPhase) -> None:
    assert not TRANSITIONS[phase]


def test_a_change_that_the_table_lacks_is_refused_and_names_what_would_fit() -> None:
    with pytest.raises(ValueError, match=r"from WaitEvent to Pending; .* Running"):
        check_transition(RunPhase.WAIT_EVENT, RunPhase.PENDING)


def test_a_phase_may_stay_as_it_is() -> None:
    check_transition(RunPhase.COMPLETED, RunPhase.COMPLETED)
