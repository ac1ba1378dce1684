"""The model of waits that choose, and of events that are handed over ahead with a task each.

Events come in one order. A wait takes the first event that fits. A handler returns the next wait,
which may choose otherwise, or a step: then the run does not wait any more. One worker has all
executions; what the operator tells it is on its way for a while, in order. If the worker is given
up for a while, another one handles an event that it has. The operator may be killed after a commit;
the next one learns from the worker what it holds. Only the first wait has a deadline.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from tests.model.search import Step

COMMENT, APPROVE = "comment", "approve"
STEP: tuple[str, ...] = ()
"""What a run takes that goes on with a step: nothing."""
CHOICES = ((APPROVE,), (COMMENT,), (APPROVE, COMMENT), STEP)

RULES = frozenset(
    {
        "a task ahead waits for the commit of its base",
        "a base that is released as void is not committed",
        "void executions are released before their base is",
        "only the first event that fits may commit",
        "an event that does not fit keeps its place",
        "a timeout looks at all events that fit",
        "an event that does not fit does not delay a timeout",
    }
)


class Execution(NamedTuple):
    """An event at the worker."""

    event: int
    base: int | None
    """The execution that it is built on; None: it was dispatched upon the written run."""
    returned: tuple[str, ...] | None = None
    """What the next wait takes, once it has returned."""
    called: bool = False
    """Whether it has called its task."""
    may_call: bool = False
    """Whether the worker was told that its base is committed, or was given it after that commit."""
    was_next: bool = False
    """Of the test: whether it was the next one to commit at some time."""
    called_early: bool = False
    """Of the test: whether its task began before that."""
    alive: bool = True


class State(NamedTuple):
    """Everything."""

    arrived: int = 0
    late: int | None = None
    """The first event that came after the deadline; None: the deadline is not over."""
    consumed: tuple[int, ...] = ()
    cursor: int = -1
    """Of an operator that remembers a place instead of events: the last one that it consumed."""
    takes: tuple[str, ...] = (APPROVE,)
    last: int | None = None
    """The execution whose outcome was committed last."""
    timed_out: bool = False
    executions: tuple[Execution, ...] = ()
    known: frozenset[int] = frozenset()
    """The executions that the operator knows."""
    messages: tuple[tuple[str, int], ...] = ()
    """To the worker, on their way: "committed" or "void", and the execution."""
    kills: int = 0
    pauses: int = 0


class Model(NamedTuple):
    """The bounds of a search, and the rules that it leaves out."""

    names: tuple[str, ...] = (COMMENT, APPROVE, APPROVE)
    executions: int = 4
    kills: int = 0
    pauses: int = 0
    deadline: bool = False
    without: frozenset[str] = frozenset()

    def has(self, rule: str) -> bool:
        """Return whether a rule is in force."""
        assert rule in RULES, rule
        return rule not in self.without

    def initial(self) -> State:
        """Return the state before anything happened."""
        return State(kills=self.kills, pauses=self.pauses)

    def steps(self, state: State) -> Iterator[Step[State]]:
        """Return all that can happen next."""
        if state.arrived < len(self.names):
            text = f"event {state.arrived} ({self.names[state.arrived]}) arrives"
            yield Step(text, state._replace(arrived=state.arrived + 1))
        if self.deadline and state.late is None and not state.consumed:
            yield Step("the deadline passes", state._replace(late=state.arrived))
        yield from _worker(self, state)
        yield from _operator(self, state)


# worker


def _worker(model: Model, state: State) -> Iterator[Step[State]]:
    if state.messages:
        yield _receive(model, state)
    for number, execution in enumerate(state.executions):
        if not execution.alive or execution.returned is not None:
            continue
        base = None if execution.base is None else state.executions[execution.base]
        if base is not None and base.alive and base.returned is None:
            return  # it runs one after the other
        if not execution.called and _may_call(model, execution):
            text = f"the handler of event {execution.event} calls its task"
            early = not execution.was_next
            yield Step(text, _with(state, number, called=True, called_early=early))
        if execution.called:
            yield from _return(state, number, execution)
        return


def _may_call(model: Model, execution: Execution) -> bool:
    return execution.may_call or not model.has("a task ahead waits for the commit of its base")


def _return(state: State, number: int, execution: Execution) -> Iterator[Step[State]]:
    for choice in CHOICES:
        what = f"a wait for {' or '.join(choice)}" if choice else "a step"
        text = f"the handler of event {execution.event} returns {what}"
        yield Step(text, _with(state, number, returned=choice))


def _receive(model: Model, state: State) -> Step[State]:
    (kind, number), rest = state.messages[0], state.messages[1:]
    execution = state.executions[number]
    state = state._replace(messages=rest)
    text = f"the worker is told that event {execution.event} is {kind}"
    broken = None
    if kind == "void" and execution.called_early:
        broken = f"side effect: event {execution.event} called its task, and its outcome is void"
    state = _with(state, number, alive=False)
    if kind == "committed" or not model.has("a base that is released as void is not committed"):
        for behind, each in enumerate(state.executions):
            if each.base == number:
                state = _with(state, behind, may_call=True)
    return Step(text, state, broken)


# operator


def _operator(model: Model, state: State) -> Iterator[Step[State]]:
    if state.timed_out:
        return
    releases = _releases(model, state)
    if releases:
        yield Step(f"the operator releases {_text(releases)}", _released(state, releases))
        return  # each decision does so first
    if state.takes:
        yield from _commit(model, state)
        yield from _commit_elsewhere(state)
        yield from _dispatch(model, state)
        yield from _dispatch_ahead(model, state)
    if state.late is not None and state.takes and not _in_flight(state):
        yield from _fire(model, state)


def _fitting(model: Model, state: State, *, takes: tuple[str, ...] | None = None) -> list[int]:
    """Return the events that may end the wait, in order."""
    takes = state.takes if takes is None else takes
    seen = range(state.arrived if state.late is None else state.late)
    if not model.has("an event that does not fit keeps its place"):
        seen = range(state.cursor + 1, len(seen))
    return [each for each in seen if each not in state.consumed and model.names[each] in takes]


def _is_current(state: State, number: int) -> bool:
    return state.executions[number].base == state.last and bool(state.takes)


def _in_flight(state: State) -> list[int]:
    """Return the executions that may commit, each behind the one that it is built on."""
    found = [each for each in sorted(state.known) if _is_current(state, each)]
    for base in found:  # the loop appends to the list that it reads
        found += [each for each in sorted(state.known) if state.executions[each].base == base]
    return found


def _dispatch(model: Model, state: State) -> Iterator[Step[State]]:
    if _in_flight(state) or len(state.executions) == model.executions:
        return
    for event in _fitting(model, state)[:1]:
        execution = Execution(event, state.last, may_call=True, was_next=True)
        yield Step(f"the operator dispatches event {event}", _added(state, execution))


def _dispatch_ahead(model: Model, state: State) -> Iterator[Step[State]]:
    in_flight = _in_flight(state)
    if not in_flight or len(state.executions) == model.executions:
        return
    taken = {state.executions[each].event for each in in_flight}
    last = state.executions[in_flight[-1]]
    free = (each for each in _fitting(model, state) if each not in taken and each > last.event)
    for event in islice(free, 1):
        text = f"the operator hands over event {event} ahead, behind event {last.event}"
        yield Step(text, _added(state, Execution(event, in_flight[-1])))


def _added(state: State, execution: Execution) -> State:
    known = state.known | {len(state.executions)}
    return state._replace(executions=(*state.executions, execution), known=known)


def _is_void(model: Model, state: State, number: int) -> bool:
    """Return whether an execution is void, or is not the first event that fits."""
    if number not in _in_flight(state):
        return True
    if state.executions[number].base != state.last:
        return False  # it is built on one that is not committed yet
    rule = "only the first event that fits may commit"
    return not _is_next(model, state, number) and model.has(rule)


def _is_next(model: Model, state: State, number: int) -> bool:
    execution, first = state.executions[number], _fitting(model, state)[:1]
    return execution.base == state.last and first == [execution.event]


def _commit(model: Model, state: State) -> Iterator[Step[State]]:
    for number in sorted(state.known):
        execution = state.executions[number]
        current = _is_current(state, number)
        if execution.returned is None or not current or _is_void(model, state, number):
            continue
        event = execution.event
        after = state._replace(
            consumed=(*state.consumed, event),
            cursor=max(state.cursor, event),
            takes=execution.returned,
            last=number,
            late=None,
        )
        for behind in _in_flight(after):
            if _is_next(model, after, behind):
                after = _with(after, behind, was_next=True)
        text, broken = f"the operator commits event {event}", _wrong_commit(model, state, after)
        releases = _releases(model, after)
        yield Step(f"{text}, and releases {_text(releases)}", _released(after, releases), broken)
        if state.kills:
            after = after._replace(kills=state.kills - 1)
            yield Step(f"{text}, and is killed; the next one knows what the worker holds", after)


def _commit_elsewhere(state: State) -> Iterator[Step[State]]:
    """Commit a further attempt of another worker, while this one is paused."""
    current = [each for each in sorted(state.known) if _is_current(state, each)]
    if not state.pauses or not current:
        return
    event = state.executions[current[0]].event
    for choice in CHOICES:
        after = state._replace(
            executions=(*state.executions, Execution(event, state.last, choice, alive=False)),
            consumed=(*state.consumed, event),
            cursor=max(state.cursor, event),
            takes=choice,
            last=len(state.executions),
            late=None,
            pauses=0,
        )
        yield Step(
            f"the worker is paused, and another one's attempt at event {event} commits", after
        )


def _wrong_commit(model: Model, state: State, after: State) -> str | None:
    event = after.consumed[-1]
    before = [each for each in range(event) if each not in state.consumed]
    if any(model.names[each] in state.takes for each in before):
        return f"one order: event {event} is committed before {before[0]}, which fits as well"
    lost = [each for each in range(after.arrived) if each not in after.consumed]
    if any(each not in _fitting(model, after, takes=(COMMENT, APPROVE)) for each in lost):
        return f"no loss: event {lost[0]} was never committed, and no wait can take it"
    return None


def _releases(model: Model, state: State) -> list[tuple[str, int]]:
    """Return what the worker is to be told, in order."""
    last = state.last
    committed = [("committed", last)] if last is not None and last in state.known else []
    void = [
        ("void", number)
        for number in sorted(state.known)
        if number != state.last and _is_void(model, state, number)
    ]
    first = model.has("void executions are released before their base is")
    order = (*void, *committed) if first else (*committed, *void)
    return list(order)


def _released(state: State, releases: list[tuple[str, int]]) -> State:
    known = state.known - {number for _, number in releases}
    return state._replace(known=known, messages=(*state.messages, *releases))


def _fire(model: Model, state: State) -> Iterator[Step[State]]:
    assert state.late is not None
    in_time = [each for each in range(state.late) if each not in state.consumed]
    fitting = [each for each in in_time if model.names[each] in state.takes]
    ends = fitting
    if not model.has("a timeout looks at all events that fit"):
        ends = [each for each in in_time[:1] if each in fitting]
    if not model.has("an event that does not fit does not delay a timeout"):
        ends = in_time
    if not ends:
        broken = f"deadlines: the timeout beats event {fitting[0]}, which fits" if fitting else None
        yield Step("the operator fires the timeout", state._replace(timed_out=True), broken)
    elif not fitting:
        yield Step("nothing", state, "deadlines: the deadline is over, and the wait does not end")


def _with(state: State, number: int, **fields: object) -> State:
    execution = state.executions[number]._replace(**fields)  # type: ignore[arg-type]
    executions = (*state.executions[:number], execution, *state.executions[number + 1 :])
    return state._replace(executions=executions)


def _text(releases: list[tuple[str, int]]) -> str:
    return ", ".join(f"execution {number} as {kind}" for kind, number in releases) or "nothing"
