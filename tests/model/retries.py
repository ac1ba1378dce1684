"""The model of retries: failed attempts, lost ones, two alive, takeovers, hold and `spec.retry`.

A handler is tried MAX_ATTEMPTS times; then the run is held. A person may raise `spec.retry`. The
standby reads the run when it takes over; `records` shows why.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.search import Step

MAX_ATTEMPTS = 2
RULES = frozenset(
    {
        "a failed outcome counts only for the attempt that the status names",
        "an attempt that failed as well is not at work",
        "a failed outcome does not count while another attempt is at work",
        "nothing is dispatched while the run is held",
        "the write that holds the run takes earlier retries as seen",
    }
)


class Run(NamedTuple):
    """The object of the API server."""

    version: int = 0
    retry: int = 0
    """`spec.retry`."""
    observed_retry: int = 0
    attempt: int = 1
    failures: int = 0
    held: bool = False
    done: bool = False


class Attempt(NamedTuple):
    """An execution at its worker, which keeps its outcome until it is released."""

    number: int
    outcome: str = ""
    """Empty while it runs; then "failed" or "succeeded"."""
    connected: bool = True
    lost: bool = False
    """Whether the operator gave it up."""
    alive: bool = True


class State(NamedTuple):
    """Everything. The operator knows the executions whose workers are connected, and lost ones."""

    run: Run = Run()
    attempts: tuple[Attempt, ...] = ()
    failed: int = 0
    """Of the test: how many attempts failed since the handler was tried anew."""
    retried_in_time: bool = False
    """Of the test: whether a person asked for the retry after the run was held."""
    kills: int = 0
    pauses: int = 0
    wishes: int = 0


class Model(NamedTuple):
    """The bounds of a search, and the rules that it leaves out."""

    attempts: int = 3
    kills: int = 0
    pauses: int = 0
    wishes: int = 0
    without: frozenset[str] = frozenset()

    def has(self, rule: str) -> bool:
        """Return whether a rule is in force."""
        assert rule in RULES, rule
        return rule not in self.without

    def initial(self) -> State:
        """Return the state before anything happened."""
        return State(kills=self.kills, pauses=self.pauses, wishes=self.wishes)

    def steps(self, state: State) -> Iterator[Step[State]]:
        """Return all that can happen next."""
        yield from _people(state)
        for number, attempt in enumerate(state.attempts):
            if attempt.alive:
                yield from _worker(state, number, attempt)
        if not state.run.done:
            yield from _outcomes(self, state)
            yield from _lost(state)
            yield from _dispatch(self, state)
            yield from _observe(state)


def _people(state: State) -> Iterator[Step[State]]:
    if state.wishes:
        run = state.run._replace(version=state.run.version + 1, retry=state.run.retry + 1)
        in_time = state.retried_in_time or run.held
        after = state._replace(run=run, wishes=state.wishes - 1, retried_in_time=in_time)
        yield Step("a person raises spec.retry", after)


def _worker(state: State, number: int, attempt: Attempt) -> Iterator[Step[State]]:
    name = f"attempt {attempt.number}"
    if not attempt.outcome:
        failed = _with(state, number, outcome="failed")
        yield Step(f"{name} fails", failed._replace(failed=state.failed + 1))
        yield Step(f"{name} succeeds", _with(state, number, outcome="succeeded"))
    if not attempt.connected:
        yield Step(f"{name} is back", _with(state, number, connected=True, lost=False))
    elif state.pauses:
        after = _with(state, number, connected=False, lost=True)
        text = f"the worker of {name} is paused, and given up"
        yield Step(text, after._replace(pauses=state.pauses - 1))


def _in_flight(state: State) -> list[int]:
    return [
        number
        for number, attempt in enumerate(state.attempts)
        if attempt.alive and attempt.connected
    ]


def _outcomes(model: Model, state: State) -> Iterator[Step[State]]:
    """Decide about all outcomes that have come, in one decision."""
    known = [(number, state.attempts[number]) for number in _in_flight(state)]
    failed = [(number, attempt) for number, attempt in known if attempt.outcome == "failed"]
    if any(attempt.outcome == "succeeded" for _, attempt in known):
        run = state.run._replace(version=state.run.version + 1, done=True, held=False)
        yield Step("the operator commits an outcome", state._replace(run=run))
        return
    counted = max(
        (attempt.number for number, attempt in failed if _counts(model, state, number)), default=0
    )
    if counted:
        yield from _count(model, state, failed)
    elif failed:
        others = [number for number, _ in known if not _has_failed(state, number)]
        uncounted = any(attempt.number >= state.run.attempt for _, attempt in failed)
        broken = "counted: all attempts failed, and none of them counts" if uncounted else None
        text = "the operator releases failed attempts without counting them"
        yield Step(text, _released(state, failed), None if others else broken)


def _has_failed(state: State, number: int) -> bool:
    return state.attempts[number].outcome == "failed"


def _counts(model: Model, state: State, number: int) -> bool:
    others = [each for each in _in_flight(state) if each != number]
    if model.has("an attempt that failed as well is not at work"):
        others = [each for each in others if not _has_failed(state, each)]
    if others and model.has("a failed outcome does not count while another attempt is at work"):
        return False
    is_named = state.attempts[number].number >= state.run.attempt
    rule = "a failed outcome counts only for the attempt that the status names"
    return is_named or not model.has(rule)


def _count(model: Model, state: State, failed: list[tuple[int, Attempt]]) -> Iterator[Step[State]]:
    failures = state.run.failures + 1
    held = failures >= MAX_ATTEMPTS
    attempt = max(state.run.attempt, *(each.number for _, each in failed), 1) + 1
    run = state.run._replace(
        version=state.run.version + 1, failures=failures, attempt=attempt, held=held
    )
    if held and model.has("the write that holds the run takes earlier retries as seen"):
        run = run._replace(observed_retry=run.retry)
    after = state._replace(run=run, retried_in_time=False if held else state.retried_in_time)
    broken = _wrong_count(state, failures, held=held, failed=failed)
    what = "the run is held" if held else f"attempt {attempt} is next"
    text = f"the operator writes that {failures} attempts failed: {what}"
    yield Step(text, _released(after, failed), broken)
    if state.kills:
        text = f"{text}; it is killed before it tells the worker, and another takes over"
        yield Step(text, after._replace(kills=state.kills - 1), broken)


def _wrong_count(
    state: State, failures: int, *, held: bool, failed: list[tuple[int, Attempt]]
) -> str | None:
    if failures > state.failed:
        return f"counted: {failures} failures are written, and {state.failed} attempts failed"
    mine = {number for number, _ in failed}
    at_work = [each for each in _in_flight(state) if each not in mine]
    if held and at_work:
        return "at work: the run is held, and an attempt is at work"
    return None


def _lost(state: State) -> Iterator[Step[State]]:
    lost = [number for number, attempt in enumerate(state.attempts) if attempt.lost]
    if lost and not _in_flight(state) and not state.run.held:
        attempt = max(state.run.attempt, *(state.attempts[each].number for each in lost), 1) + 1
        after = state._replace(
            run=state.run._replace(version=state.run.version + 1, attempt=attempt)
        )
        for number in lost:
            after = _with(after, number, lost=False)
        yield Step(f"the operator writes attempt {attempt} for one that was lost", after)


def _dispatch(model: Model, state: State) -> Iterator[Step[State]]:
    at_work = _in_flight(state) or any(attempt.lost for attempt in state.attempts)
    if at_work or len(state.attempts) == model.attempts:
        return
    if state.run.held and model.has("nothing is dispatched while the run is held"):
        return
    attempt = Attempt(state.run.attempt)
    broken = "held: a handler is dispatched while the run is held" if state.run.held else None
    after = state._replace(attempts=(*state.attempts, attempt))
    yield Step(f"the operator dispatches attempt {attempt.number}", after, broken)


def _observe(state: State) -> Iterator[Step[State]]:
    run = state.run
    if run.retry <= run.observed_retry:
        return
    seen = run._replace(version=run.version + 1, observed_retry=run.retry)
    if run.held:
        asked = state.retried_in_time
        broken = None if asked else "asked: the run goes on, and nobody asked since it was held"
        after = state._replace(run=seen._replace(held=False, failures=0), failed=0)
        yield Step("the operator tries the handler anew", after, broken)
    else:
        yield Step("the operator notes that there is nothing to retry", state._replace(run=seen))


def _released(state: State, executions: list[tuple[int, Attempt]]) -> State:
    for number, _ in executions:
        state = _with(state, number, alive=False, connected=False)
    return state


def _with(state: State, number: int, **fields: object) -> State:
    attempt = state.attempts[number]._replace(**fields)  # type: ignore[arg-type]
    attempts = (*state.attempts[:number], attempt, *state.attempts[number + 1 :])
    return state._replace(attempts=attempts)
