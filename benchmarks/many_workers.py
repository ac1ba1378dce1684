"""Measure what 10,000 workers cost the operator, without sockets.

Run it by `python -m benchmarks.many_workers`.

It prints microseconds: to accept a worker, to look at a run, to choose a worker and dispatch an
execution to it, and to remove the execution. All workers are of one namespace and type, as the
replicas of a large Deployment.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Execution, Hello, OfferedHandler
from grctl_operator.engine.observation import Key
from grctl_operator.views.executions import ExecutionRegistry

WORKERS_COUNT = 10_000
ROUNDS_COUNT = 1_000
WORKER_GROUP = ("shop", "Order")
CATALOGUE = Catalogue(
    type="Order",
    handlers=(
        OfferedHandler(kind=HandlerKind.START, name="start"),
        *(OfferedHandler(kind=HandlerKind.EVENT, name=f"event-{number}") for number in range(10)),
    ),
)


def main() -> None:
    """Measure and print."""
    registry = ExecutionRegistry(lambda: datetime.now(UTC), time.monotonic, lambda _key: None)
    _report("to take a worker in", WORKERS_COUNT, lambda number: _join(registry, number))
    _report("to look at a run", ROUNDS_COUNT, lambda number: _look(registry, number))
    _report("to choose and give", ROUNDS_COUNT, lambda number: _dispatch(registry, number))
    _report("to take back", ROUNDS_COUNT, lambda number: registry.forget_execution(f"x{number}"))


def _report(what: str, times: int, act: Callable[[int], object]) -> None:
    began = time.perf_counter()
    for number in range(times):
        act(number)
    took = (time.perf_counter() - began) / times
    sys.stdout.write(f"{what:22} {took * 1e6:10.1f} µs\n")


def _join(registry: ExecutionRegistry, number: int) -> None:
    hello = Hello(
        worker=f"worker-{number}",
        instance=f"i{number}",
        namespace="shop",
        capacity=100,
        catalogues=(CATALOGUE,),
    )
    registry.on_hello(hello, "orders")


def _look(registry: ExecutionRegistry, number: int) -> None:
    view = registry.get_view(Key("shop", f"run-{number}"), "Order")
    view.find_connected(HandlerKind.EVENT, "event-7")


def _dispatch(registry: ExecutionRegistry, number: int) -> None:
    worker = registry.roster.choose(WORKER_GROUP, HandlerKind.EVENT, "event-7")
    if worker is None:
        raise RuntimeError("No worker has room")
    execution = Execution(
        id=f"x{number}",
        namespace="shop",
        workflow_id=f"run-{number}",
        workflow_type="Order",
        run_uid=f"u{number}",
        commits=1,
        handler_kind=HandlerKind.EVENT,
        handler_name="event-7",
    )
    registry.on_dispatch(execution, worker)


if __name__ == "__main__":
    main()
