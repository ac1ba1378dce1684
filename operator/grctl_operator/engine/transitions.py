"""The table of phases: which may follow which. A change that it does not have is a defect.

`docs/reference/phases.md` is drawn from it. A final phase is followed by none.
"""

from grctl.models.phases import FINISHED, RunPhase

TRANSITIONS: dict[RunPhase, frozenset[RunPhase]] = {
    RunPhase.PENDING: frozenset({RunPhase.RUNNING, RunPhase.WAIT_EVENT}) | FINISHED,
    # Back to Pending: the worker of the start handler was lost before the first commit.
    RunPhase.RUNNING: frozenset({RunPhase.PENDING, RunPhase.WAIT_EVENT}) | FINISHED,
    RunPhase.WAIT_EVENT: frozenset({RunPhase.RUNNING}) | FINISHED,
    **{phase: frozenset() for phase in FINISHED},
}


def check_transition(before: RunPhase, after: RunPhase) -> None:
    """Raise if the table does not have a change of phase.

    Raises:
        ValueError: it names both phases, and what may follow the first.
    """
    if before is not after and after not in TRANSITIONS[before]:
        fit = ", ".join(sorted(TRANSITIONS[before])) or "nothing: it is final"
        raise ValueError(f"A run cannot go from {before} to {after}; {before} is followed by {fit}")
