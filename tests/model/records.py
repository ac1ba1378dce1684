"""The model of the journal: records, the lazy barrier, two live attempts, takeovers, rejections.

A run handles one thing after another: first `handler` 0, then 1. Each handler calls two tasks, one
after the other, and returns. A value says which attempt made it: 0 is none. Operators and workers
send each other messages, which are lost with their connection. A standby's cache lags behind.

A rule that a scenario leaves out is named in `without`. The names are those of RULES.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.search import Step

Values = tuple[int, int]
NOTHING: Values = (0, 0)
TASKS = (0, 1)

RULES = frozenset(
    {
        "a task waits for the records before it",
        "an answer follows the write",
        "the first record of a call counts",
        "an attempt with another value starts again",
        "an outcome is compared with the journal",
        "an outcome names what it was not told to be durable",
        "a record passes the fence",
        "a commit clears the journal",
        "a rejection keeps the journal",
        "a further attempt keeps the journal",
        "a record does not move commits",
        "a run is read before the first dispatch after a takeover",
    }
)


class Run(NamedTuple):
    """The object of the API server."""

    version: int = 0
    commits: int = 0
    handler: int = 0
    """How many outcomes were committed: which handler is due."""
    attempt: int = 1
    journal: Values = NOTHING


class Attempt(NamedTuple):
    """An execution at its worker."""

    commits: int
    handler: int
    operator: int | None
    told: Values
    """What it was given or told to be durable."""
    durable_before: tuple[bool, bool]
    """Of the test: what was durable for its handler when it was dispatched."""
    seen: Values = NOTHING
    """The values that the handler has seen."""
    returned: bool = False
    alive: bool = True
    outbox: tuple["Message", ...] = ()


class Message(NamedTuple):
    """A message of a worker."""

    kind: str
    values: Values = NOTHING
    """Of a record: the value under its key. Of an outcome: what it was made from."""
    unconfirmed: Values = NOTHING


class Held(NamedTuple):
    """What an operator knows of an execution."""

    records: Values = NOTHING
    outcome: Message | None = None
    told: Values = NOTHING
    lost: bool = False


class Operator(NamedTuple):
    """An operator: its cache of the run, and its registry."""

    run: Run
    held: tuple[Held | None, ...]
    is_fresh: bool = False
    """Whether it has read the run since it leads."""


class Budget(NamedTuple):
    """How often each fault may still happen."""

    takeovers: int = 0
    breaks: int = 0
    crashes: int = 0
    rejections: int = 0
    zombies: int = 0
    """Whether the operator that lost the lead still writes."""


class State(NamedTuple):
    """Everything."""

    run: Run
    operators: tuple[Operator, Operator]
    leader: int
    attempts: tuple[Attempt, ...]
    ever: tuple[bool, bool]
    """Of the test: what was durable for the handler that is due when the leader wrote or read the
    run. A write of the operator before may arrive between that and a dispatch; its worker was not
    answered, and has not gone on."""
    budget: Budget


class Model(NamedTuple):
    """The bounds of a search, and the rules that it leaves out."""

    budget: Budget
    handlers: int = 1
    attempts: int = 2
    tasks: int = 2
    without: frozenset[str] = frozenset()

    def has(self, rule: str) -> bool:
        """Return whether a rule is in force."""
        assert rule in RULES, rule
        return rule not in self.without

    def initial(self) -> State:
        """Return the state before anything happened."""
        operator = Operator(Run(), (None,) * self.attempts, is_fresh=True)
        standby = operator._replace(is_fresh=False)
        return State(Run(), (operator, standby), 0, (), (False, False), self.budget)

    def steps(self, state: State) -> Iterator[Step[State]]:
        """Return all that can happen next."""
        yield from _workers(self, state)
        yield from _faults(state)
        for number in (0, 1):
            if number == state.leader or state.budget.zombies:
                yield from _operator(self, state, number)
        yield from _watch(state)


# workers


def _workers(model: Model, state: State) -> Iterator[Step[State]]:
    for number, attempt in enumerate(state.attempts):
        if attempt.alive and not attempt.returned:
            yield from _go_on(model, state, number, attempt)


def _go_on(model: Model, state: State, number: int, attempt: Attempt) -> Iterator[Step[State]]:
    name, seen, told = _name(number), attempt.seen, attempt.told
    other = any(told[key] and seen[key] and told[key] != seen[key] for key in TASKS)
    if other and model.has("an attempt with another value starts again"):
        yield Step(f"{name} starts again", _with(state, number, seen=NOTHING))
        return
    key = next((key for key in range(model.tasks) if not seen[key]), None)
    if key is None:
        yield Step(f"{name} returns", _returned(state, number, attempt))
    elif told[key]:
        text = f"{name} takes task {key} from the journal"
        yield Step(text, _with(state, number, seen=_put(seen, key, told[key])))
    elif not model.has("a task waits for the records before it") or all(told[:key]):
        yield _call(state, number, attempt, key)


def _call(state: State, number: int, attempt: Attempt, key: int) -> Step[State]:
    value = number + 1
    message = Message("record", _put(NOTHING, key, value))
    outbox = (*attempt.outbox, message) if attempt.operator is not None else ()
    after = _with(state, number, seen=_put(attempt.seen, key, value), outbox=outbox)
    return Step(f"{_name(number)} calls task {key}", after, _wrong_call(state, attempt, key))


def _wrong_call(state: State, attempt: Attempt, key: int) -> str | None:
    if attempt.handler != state.run.handler:
        return None  # another attempt's outcome was committed meanwhile
    if attempt.durable_before[key]:
        return f"durable: task {key} is called again, and was durable before the dispatch"
    for before in range(key):
        recorded, seen = state.run.journal[before], attempt.seen[before]
        if not recorded:
            return f"barrier: task {key} begins, and task {before} is not durable"
        if recorded != seen:
            return f"one value: task {key} begins with another value of task {before}"
    return None


def _returned(state: State, number: int, attempt: Attempt) -> State:
    outbox = attempt.outbox
    if attempt.operator is not None:
        outbox = (*outbox, _outcome(attempt))
    return _with(state, number, returned=True, outbox=outbox)


def _outcome(attempt: Attempt) -> Message:
    return Message("outcome", attempt.seen, _unconfirmed(attempt))


def _unconfirmed(attempt: Attempt) -> Values:
    seen, told = attempt.seen, attempt.told
    return _values(seen[key] if seen[key] != told[key] else 0 for key in TASKS)


# faults


def _faults(state: State) -> Iterator[Step[State]]:
    for number, attempt in enumerate(state.attempts):
        if not attempt.alive:
            continue
        if attempt.operator is None:
            yield Step(f"{_name(number)} connects", _connected(state, number, attempt))
            continue
        if state.budget.breaks:
            text = f"{_name(number)} is paused and loses its connection"
            yield Step(text, _lost(_spend(state, "breaks"), number))
        if state.budget.crashes:
            gone = _lost(_spend(state, "crashes"), number)
            yield Step(f"the worker of {_name(number)} crashes", _with(gone, number, alive=False))
    if state.budget.takeovers:
        yield Step("the leader is killed, the standby takes over", _taken_over(state))


def _connected(state: State, number: int, attempt: Attempt) -> State:
    """Connect to the leader. What was not answered is sent again: records, then the outcome."""
    unconfirmed = _unconfirmed(attempt)
    outbox = tuple(
        Message("record", _put(NOTHING, key, unconfirmed[key])) for key in TASKS if unconfirmed[key]
    )
    if attempt.returned:
        outbox += (_outcome(attempt),)
    state = _with(state, number, operator=state.leader, outbox=outbox)
    return _hold(state, state.leader, number, Held(told=attempt.told))


def _lost(state: State, number: int) -> State:
    """Cut a connection. The operator gives the execution up."""
    operator = state.attempts[number].operator
    state = _with(state, number, operator=None, outbox=())
    held = state.operators[operator].held[number] if operator is not None else None
    if operator is None or held is None:
        return state
    return _hold(state, operator, number, held._replace(lost=True))


def _taken_over(state: State) -> State:
    for number, attempt in enumerate(state.attempts):
        if attempt.operator == state.leader:
            state = _with(state, number, operator=None, outbox=())
    state = _spend(state, "takeovers")
    return state._replace(leader=1 - state.leader)


def _watch(state: State) -> Iterator[Step[State]]:
    standby = 1 - state.leader
    if state.operators[standby].run != state.run:
        text = f"the watch shows the run to operator {standby}"
        yield Step(text, _operator_with(state, standby, run=state.run))


# operators


def _operator(model: Model, state: State, number: int) -> Iterator[Step[State]]:
    operator = state.operators[number]
    for execution, attempt in enumerate(state.attempts):
        if attempt.operator == number and attempt.outbox:
            yield _take(state, number, execution, attempt)
        if operator.held[execution] is not None:
            yield from _confirm(model, state, number, execution)
            yield from _release_void(model, state, number, execution)
            yield from _commit(model, state, number, execution)
    yield from _write_records(model, state, number)
    yield from _try_again(model, state, number)
    if number == state.leader:
        yield from _dispatch(model, state, number)
        yield from _reject(model, state, number)


def _take(state: State, number: int, execution: int, attempt: Attempt) -> Step[State]:
    message, rest = attempt.outbox[0], attempt.outbox[1:]
    held = state.operators[number].held[execution] or Held()
    if message.kind == "record":
        held = held._replace(records=_merge(held.records, message.values))
    else:
        held = held._replace(outcome=message)
    text = f"operator {number} gets the {message.kind} of {_name(execution)}"
    return Step(text, _hold(_with(state, execution, outbox=rest), number, execution, held))


def _is_current(model: Model, state: State, number: int, execution: int) -> bool:
    return state.attempts[execution].commits == state.operators[number].run.commits


def _write_records(model: Model, state: State, number: int) -> Iterator[Step[State]]:
    run = state.operators[number].run
    journal = _journal_with_records(model, state, number)
    if journal == run.journal:
        return
    moved = 0 if model.has("a record does not move commits") else 1
    text = f"operator {number} writes the journal {_text(journal)}"
    yield _put_run(state, number, text, journal=journal, commits=run.commits + moved)


def _journal_with_records(model: Model, state: State, number: int) -> Values:
    operator = state.operators[number]
    journal = operator.run.journal
    for execution, held in enumerate(operator.held):
        current = _is_current(model, state, number, execution) if held else False
        if held and (current or not model.has("a record passes the fence")):
            first = model.has("the first record of a call counts")
            order = (journal, held.records) if first else (held.records, journal)
            journal = _merge(*order)
    return journal


def _confirm(model: Model, state: State, number: int, execution: int) -> Iterator[Step[State]]:
    operator, attempt = state.operators[number], state.attempts[execution]
    held = operator.held[execution]
    if held is None or attempt.operator != number:
        return
    durable = operator.run.journal
    if not model.has("an answer follows the write"):
        durable = _merge(durable, held.records)
    if held.told == durable or not _is_current(model, state, number, execution):
        return
    records = _values(0 if durable[key] else held.records[key] for key in TASKS)
    after = _hold(state, number, execution, held._replace(told=durable, records=records))
    after = _with(after, execution, told=_merge(attempt.told, durable))
    yield Step(
        f"operator {number} tells {_name(execution)} that {_text(durable)} is durable", after
    )


def _release_void(model: Model, state: State, number: int, execution: int) -> Iterator[Step[State]]:
    if _is_current(model, state, number, execution):
        return
    attempt = state.attempts[execution]
    own = attempt.handler == state.operators[number].run.handler
    broken = own and not model.budget.rejections
    text = f"operator {number} releases {_name(execution)}: the run went on without it"
    after = _released(state, number, execution)
    yield Step(
        text, after, "void: no outcome was committed, and this one is void" if broken else None
    )


def _commit(model: Model, state: State, number: int, execution: int) -> Iterator[Step[State]]:
    operator = state.operators[number]
    held, run = operator.held[execution], operator.run
    if held is None or held.outcome is None or not _is_current(model, state, number, execution):
        return
    if model.has("an outcome is compared with the journal"):
        told = model.has("an outcome names what it was not told to be durable")
        made_from = held.outcome.unconfirmed if told else held.records
        if any(a and b and a != b for a, b in zip(made_from, run.journal, strict=True)):
            text = f"operator {number} releases {_name(execution)}: another record counts"
            yield Step(text, _released(state, number, execution))
            return
    broken = _wrong_commit(state, execution, held.outcome.values)
    journal = NOTHING if model.has("a commit clears the journal") else run.journal
    text = f"operator {number} commits the outcome of {_name(execution)}"
    step = _put_run(
        state,
        number,
        text,
        commits=run.commits + 1,
        handler=run.handler + 1,
        attempt=1,
        journal=journal,
    )
    if step.state.run is state.run:
        yield step
        return
    after = _released(step.state._replace(ever=(False, False)), number, execution)
    yield Step(text, after, broken or step.broken)


def _wrong_commit(state: State, execution: int, made_from: Values) -> str | None:
    if state.attempts[execution].handler != state.run.handler:
        return "one commit: the outcome of another handler is committed"
    for key in TASKS:
        if state.run.journal[key] not in {0, made_from[key]}:
            return f"one value: an outcome commits that saw another value of task {key}"
    return None


def _try_again(model: Model, state: State, number: int) -> Iterator[Step[State]]:
    """Write a further attempt for a lost execution, with what it recorded."""
    operator = state.operators[number]
    mine = [each for each in range(len(state.attempts)) if operator.held[each]]
    current = [each for each in mine if _is_current(model, state, number, each)]
    lost = [each for each in current if _is_lost(operator, each)]
    if not lost or len(lost) < len(current):
        return
    journal = _journal_with_records(model, state, number)
    if not model.has("a further attempt keeps the journal"):
        journal = NOTHING
    text = f"operator {number} writes a further attempt, with the journal {_text(journal)}"
    step = _put_run(state, number, text, attempt=operator.run.attempt + 1, journal=journal)
    after = step.state
    if after.run is not state.run:
        for execution in lost:
            after = _hold(after, number, execution, None)
    yield step._replace(state=after)


def _is_lost(operator: Operator, execution: int) -> bool:
    held = operator.held[execution]
    return held is not None and held.lost and held.outcome is None


def _is_idle(state: State, number: int) -> bool:
    return not any(
        held and state.attempts[execution].commits == state.operators[number].run.commits
        for execution, held in enumerate(state.operators[number].held)
    )


def _dispatch(model: Model, state: State, number: int) -> Iterator[Step[State]]:
    operator = state.operators[number]
    run = operator.run
    if not _is_idle(state, number) or run.handler >= model.handlers:
        return
    if not operator.is_fresh and model.has(
        "a run is read before the first dispatch after a takeover"
    ):
        text = f"operator {number} reads the run"
        yield Step(text, _read(state, number))
        return
    if len(state.attempts) == model.attempts:
        return
    execution = len(state.attempts)
    same = run.handler == state.run.handler
    durable = state.ever if same else (False, False)
    attempt = Attempt(run.commits, run.handler, number, run.journal, durable)
    after = state._replace(attempts=(*state.attempts, attempt))
    text = f"operator {number} dispatches {_name(execution)} with the journal {_text(run.journal)}"
    yield Step(text, _hold(after, number, execution, Held(told=run.journal)))


def _reject(model: Model, state: State, number: int) -> Iterator[Step[State]]:
    """Reject an event that no worker knows, before the event of the handler that is due."""
    run = state.operators[number].run
    if not state.budget.rejections or not _is_idle(state, number):
        return
    journal = run.journal if model.has("a rejection keeps the journal") else NOTHING
    text = f"operator {number} commits the rejection of another event"
    step = _put_run(state, number, text, commits=run.commits + 1, journal=journal)
    yield step._replace(state=_spend(step.state, "rejections"))


def _put_run(state: State, number: int, text: str, **fields: object) -> Step[State]:
    """Write the run with the resourceVersion that the operator knows; after a 409, read it."""
    known = state.operators[number].run
    if known.version != state.run.version:
        return Step(f"{text}: 409, it reads the run", _read(state, number))
    run = known._replace(version=known.version + 1, **fields)  # type: ignore[arg-type]
    after = _read(state._replace(run=run), number)
    foreign = any(
        value and state.attempts[value - 1].handler != run.handler for value in run.journal
    )
    return Step(
        text, after, "own records: the journal holds another handler's" if foreign else None
    )


def _read(state: State, number: int) -> State:
    state = _operator_with(state, number, run=state.run, is_fresh=True)
    if number != state.leader:
        return state
    first, second = state.run.journal
    return state._replace(ever=(bool(state.ever[0] or first), bool(state.ever[1] or second)))


# tuples with a changed part


def _with(state: State, number: int, **fields: object) -> State:
    attempt = state.attempts[number]._replace(**fields)  # type: ignore[arg-type]
    attempts = (*state.attempts[:number], attempt, *state.attempts[number + 1 :])
    return state._replace(attempts=attempts)


def _operator_with(state: State, number: int, **fields: object) -> State:
    operator = state.operators[number]._replace(**fields)  # type: ignore[arg-type]
    first, second = state.operators
    return state._replace(operators=(first, operator) if number else (operator, second))


def _hold(state: State, number: int, execution: int, held: Held | None) -> State:
    known = state.operators[number].held
    return _operator_with(state, number, held=(*known[:execution], held, *known[execution + 1 :]))


def _released(state: State, number: int, execution: int) -> State:
    state = _hold(state, number, execution, None)
    attempt = state.attempts[execution]
    if attempt.operator != number:
        return state
    return _with(state, execution, alive=False, operator=None, outbox=())


def _spend(state: State, what: str) -> State:
    left = getattr(state.budget, what) - 1
    return state._replace(budget=state.budget._replace(**{what: left}))


def _merge(first: Values, second: Values) -> Values:
    return _values(a or b for a, b in zip(first, second, strict=True))


def _put(values: Values, key: int, value: int) -> Values:
    return _values(value if each == key else values[each] for each in TASKS)


def _values(values: Iterator[int]) -> Values:
    first, second = values
    return first, second


def _name(number: int) -> str:
    return f"attempt {number + 1}"


def _text(values: Values) -> str:
    found = [f"task {key} of attempt {value}" for key, value in enumerate(values) if value]
    return " and ".join(found) or "nothing"
