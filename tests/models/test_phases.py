"""Which phases are final, and how waiting events are selected."""

from grctl.models import EventPhase, RunPhase
from grctl.models.phases import SETTLED_PHASES, UNSETTLED_SELECTOR
from grctl_operator.views.events import is_settled


def test_a_run_is_finished_in_five_of_its_phases() -> None:
    assert [phase.value for phase in RunPhase if phase.finished] == [
        "Completed",
        "Failed",
        "Cancelled",
        "Terminated",
        "TimedOut",
    ]


def test_a_run_goes_on_in_the_others() -> None:
    assert [phase.value for phase in RunPhase if not phase.finished] == [
        "Pending",
        "Running",
        "WaitEvent",
    ]


def test_an_event_is_settled_in_every_phase_but_pending() -> None:
    assert [phase for phase in EventPhase if phase.settled] == [*SETTLED_PHASES]
    assert EventPhase.PENDING not in SETTLED_PHASES


def test_the_selector_names_the_final_phases_as_an_absent_one_waits() -> None:
    assert UNSETTLED_SELECTOR == (
        "status.phase!=Processed,status.phase!=Failed,status.phase!=Rejected"
    )


def test_the_event_cache_and_the_selector_mean_the_same_phases() -> None:
    settled = {phase for phase in EventPhase if is_settled({"status": {"phase": phase.value}})}
    assert settled == set(SETTLED_PHASES)
