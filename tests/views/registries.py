"""Registries of executions for tests, with the workers that joined and the executions they have."""

from datetime import UTC, datetime

from grctl.models.directive import Complete
from grctl.models.phases import HandlerKind
from grctl.models.wire import Execution, Hello, Outcome, Succeeded
from grctl_operator.engine.observation import Held, Key
from grctl_operator.views.executions import ExecutionRegistry
from tests.runtime.played_worker import catalogue

KEY = Key("shop", "order-1")
GROUP = ("shop", "Order")
ORDER = catalogue("Order", "approve")
OTHER = Key("shop", "order-2")
APPROVE = (HandlerKind.EVENT, "approve")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def execution(name: str, run: str = "order-1") -> Execution:
    return Execution(
        id=name,
        namespace="shop",
        workflow_id=run,
        workflow_type="Order",
        run_uid="u1",
        commits=1,
        handler_kind=HandlerKind.EVENT,
        handler_name="approve",
    )


def outcome(name: str, result: str = "first") -> Outcome:
    return Outcome(execution=execution(name), result=Succeeded(directive=Complete(result=result)))


def ignore(_key: Key) -> None:
    """Stand in for the queue of runs to be looked at."""


def registry(*greetings: Hello, told: list[Key] | None = None) -> ExecutionRegistry:
    """Return a registry that workers have joined; `told` gets the runs to be looked at."""
    told = [] if told is None else told
    made = ExecutionRegistry(Clock(), lambda: 0.0, told.append)
    for greeting in greetings:
        made.on_hello(greeting, "orders")
    return made


def dispatch(made: ExecutionRegistry, name: str) -> str:
    worker = made.roster.choose(GROUP, HandlerKind.EVENT, "approve")
    assert worker is not None
    made.on_dispatch(execution(name), worker)
    return worker.instance


def held(made: ExecutionRegistry) -> dict[str, Held]:
    return {each.execution.id: each for each in made.get_view(KEY, "Order").held}


def free(made: ExecutionRegistry) -> list[int]:
    return [each.free for each in made.get_view(KEY, "Order").workers]


def give(made: ExecutionRegistry, name: str, run: str = "order-1", attempt: int = 1) -> None:
    """Dispatch an execution as the dispatcher does it."""
    given = execution(name, run).model_copy(update={"attempt": attempt})
    choose = made.roster.reserve_clear if attempt > 1 else None
    key = Key("shop", run)
    worker = choose(key, GROUP, *APPROVE) if choose else made.roster.choose(GROUP, *APPROVE)
    assert worker is not None
    made.on_dispatch(given, worker)


def crashed(made: ExecutionRegistry, run: Key = KEY) -> list[tuple[bool, bool]]:
    held = made.get_view(run, "Order").held
    return [(each.lost, each.crashed) for each in held]


def clear(made: ExecutionRegistry, run: Key = KEY) -> bool:
    return any(each.clear for each in made.get_view(run, "Order").workers)
