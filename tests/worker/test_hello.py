"""A Hello stays within the size that an operator reads of a worker that it does not know."""

import pytest

from grctl.models.phases import HandlerKind
from grctl.models.wire import (
    MAX_HELLO_BYTES,
    MAX_TYPES_PER_WORKER,
    Catalogue,
    Execution,
    Hello,
    OfferedHandler,
    encode,
)
from grctl.worker.hello import check_size, executions_that_fit


def execution(number: int) -> Execution:
    return Execution(
        id=f"x{number}",
        namespace="shop",
        workflow_id="order-" + "x" * 200,
        workflow_type="Order",
        run_uid=f"u{number}",
        commits=1,
        handler_kind=HandlerKind.EVENT,
        handler_name="approve",
    )


def of_size(size: int) -> Catalogue:
    payload = {"description": "x" * size}
    return Catalogue(
        type="Order",
        handlers=(OfferedHandler(kind=HandlerKind.START, name="start", payload=payload),),
    )


def test_a_hello_names_as_many_held_executions_as_there_is_room_for() -> None:
    few, many = [execution(n) for n in range(100)], [execution(n) for n in range(5_000)]
    large = of_size(MAX_HELLO_BYTES // 2 - 1000)
    check_size((large,))
    said = Hello(
        worker="w",
        instance="i",
        namespace="shop",
        capacity=5_000,
        catalogues=(large,),
        held=executions_that_fit(many),
    )
    assert executions_that_fit(few) == tuple(few)
    assert said.held == tuple(many[: len(said.held)])
    assert 500 < len(said.held) < 5_000
    assert len(encode(said)) <= MAX_HELLO_BYTES


def test_workflows_that_are_too_many_for_one_worker_are_refused_with_their_number() -> None:
    with pytest.raises(
        ValueError,
        match=f"at most {MAX_TYPES_PER_WORKER} workflows, not {MAX_TYPES_PER_WORKER + 1}",
    ):
        check_size(
            tuple(Catalogue(type="Order", handlers=()) for _ in range(MAX_TYPES_PER_WORKER + 1))
        )


def test_workflows_that_are_too_large_for_one_worker_are_refused_with_their_size() -> None:
    with pytest.raises(ValueError, match=r"The handlers of 1 workflows .* take 6000"):
        check_size((of_size(600_000),))
