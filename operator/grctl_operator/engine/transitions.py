"""Which phase of a run may follow which. What is not in the table is a defect of a rule.

`docs/reference/phases.md` is drawn from it. A final phase is followed by none.
"""

from grctl.models.phases import FINISHED, RunPhase

TRANSITIONS: dict[RunPhase, frozenset[RunPhase]] = {
    RunPhase.PENDING: frozenset({RunPhase.RUNNING, RunPhase.WAIT_EVENT}) | FINISHED,
    # Back to Pending: the worker of the start handler was lost, and nothing is committed yet.
    RunPhase.RUNNING: frozenset({RunPhase.PENDING, RunPhase.WAIT_EVENT}) | FINISHED,
    RunPhase.WAIT_EVENT: frozenset({RunPhase.RUNNING}) | FINISHED,
    **{phase: frozenset() for phase in FINISHED},
}


def check_transition(before: RunPhase, after: RunPhase) -> None:
    """Refuse a change of phase that the table does not have.

    Raises:
        ValueError: it names both phases, and what may follow the first.
    """
    if before is not after and after not in TRANSITIONS[before]:
        fit = ", ".join(sorted(TRANSITIONS[before])) or "nothing: it is final"
        raise ValueError(f"A run cannot go from {before} to {after}; {before} is followed by {fit}")
