"""What code for the first grctl does with contexts and workers: it runs, or says what to do.

The words are ours; the constructs are those of its pages on context, tasks and workers.
"""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, NewType, Optional

import pytest
from pydantic import BaseModel, Field

from grctl.models import Directive, ErrorDetails, HandlerKind
from grctl.models.directive import RetryPolicy
from grctl.models.wire import Drain, Succeeded
from grctl.worker import Context, StoreKeyNotFoundError, Worker, task
from grctl.worker.store import Store
from grctl.workflow import Workflow
from tests.worker.conftest import Serve
from tests.worker.fake_operator import FakeOperator
from tests.worker.making import execute_of, step

shop = Workflow(workflow_type="Shop")


class Parcel(BaseModel):
    """A value of the store."""

    number: str
    grams: int = 0


AT = datetime(2026, 1, 2, tzinfo=UTC)


class Size(Enum):
    SMALL = "small"


@task
async def weigh(number: str) -> int:
    return 10 * len(number)


@shop.start()
async def begin(ctx: Context, number: str) -> Directive:
    ctx.store.put("parcel", Parcel(number=number))
    return ctx.next.wait()


@shop.step()
async def weigh_it(ctx: Context) -> Directive:
    parcel = await ctx.store.get("parcel", Parcel)
    try:
        await ctx.store.get("scale", str)
    except StoreKeyNotFoundError as missing:
        ctx.store.put("missing", missing.key)
    ctx.logger.info("weighs %s", parcel.number)
    return ctx.next.complete({"grams": await weigh(parcel.number), "run": ctx.run.wf_id})


async def test_a_handler_with_the_first_grctls_imports_runs() -> None:
    result = await step(shop, "weigh_it", parcel={"number": "abc"})

    assert isinstance(result, Succeeded)
    assert result.put == {"missing": "scale"}
    assert result.directive.model_dump()["result"] == {"grams": 30, "run": "order-abc"}


IMPORTS = [
    "from grctl.worker import task",
    "from grctl.worker.task import task",
    "import grctl.worker.worker; from grctl.worker import task",
    "from grctl.worker.task import task as first; from grctl.worker import task; first",
    "import grctl.worker.task; from grctl.worker import task",
    "from grctl.worker.context import Context; from grctl.worker import Worker, task",
]


@pytest.mark.parametrize("imports", IMPORTS)
def test_task_is_the_decorator_whatever_was_imported_before(imports: str) -> None:
    code = f"{imports}\n@task\nasync def charge() -> None: ...\nassert charge.name == 'charge'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_names_of_the_run_are_short_ones_too() -> None:
    run = Context(shop, execute_of(shop, HandlerKind.STEP, "weigh_it")).run

    assert (run.id, run.wf_id, run.wf_type) == (run.uid, run.workflow_id, run.workflow_type)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("start", "no child workflows yet. Start another run with grctl.client.Client in a task"),
        ("start_child", "no child workflows yet. Start another run"),
        ("run_child", "no child workflows yet. Start another run"),
        ("send_to_parent", "no child workflows yet. Send an event to another run"),
        ("run_info", "write ctx.run"),
        ("run_task", "call the task"),
    ],
)
def test_what_a_context_does_not_have_says_what_to_use(name: str, told: str) -> None:
    context = Context(shop, execute_of(shop, HandlerKind.STEP, "weigh_it"))

    with pytest.raises(AttributeError, match=f"^Context has no '{name}': .*{told}"):
        getattr(context, name)
    with pytest.raises(AttributeError, match="'Context' object has no attribute 'nxt'"):
        context.nxt  # type: ignore[attr-defined]  # noqa: B018


def test_a_store_is_not_set_but_put() -> None:
    with pytest.raises(AttributeError, match=r"Store has no 'set': write ctx\.store\.put\(key"):
        Store({}).set("a", 1)  # type: ignore[attr-defined]


Grams = NewType("Grams", int)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Parcel, Parcel(number="abc")),
        (dict, {"number": "abc", "grams": 0}),
        (dict[str, Any], {"number": "abc", "grams": 0}),
        (Optional[Parcel], Parcel(number="abc")),  # noqa: UP045  as users write it
        (Parcel | None, Parcel(number="abc")),
        (Annotated[Parcel, Field(title="parcel")], Parcel(number="abc")),
        (Any, {"number": "abc", "grams": 0}),
    ],
)
async def test_a_type_in_second_place_is_the_type_of_the_value(kind: Any, value: Any) -> None:
    store = Store({"parcel": {"number": "abc", "grams": 0}})

    assert await store.get("parcel", kind) == value
    with pytest.raises(StoreKeyNotFoundError, match="no key 'letter'"):
        await store.get("letter", kind)


async def test_any_other_value_in_second_place_is_the_default() -> None:
    store = Store({"grams": 3})

    defaults: tuple[Any, ...] = (0, "int", None, False, [], {}, Size.SMALL, AT)
    for default in defaults:
        assert await store.get("missing", default) is default
    assert await store.get("grams", Grams) == 3
    assert await store.get("grams", 0) == 3
    assert await store.get("grams", "0", as_type=float) == 3.0


async def test_a_type_may_have_a_default_beside_it() -> None:
    store = Store({"grams": 3})

    assert await store.get("missing", int, default=0) == 0
    assert await store.get("missing", default=int) is int
    assert await store.get("grams", int, default=0) == 3


async def test_two_types_or_two_defaults_are_refused() -> None:
    store: Any = Store({"grams": 3})

    with pytest.raises(TypeError, match="has two values for as_type: the second argument is one"):
        await store.get("grams", int, as_type=str)
    with pytest.raises(TypeError, match="has two values for default: the second argument is one"):
        await store.get("grams", 0, default=1)


def test_a_store_key_error_is_a_key_error_and_tells_the_key() -> None:
    assert issubclass(StoreKeyNotFoundError, KeyError)


def test_a_retry_policy_and_error_details_are_where_they_were() -> None:
    policy = RetryPolicy(max_attempts=3, initial_delay_ms=100, non_retryable_errors=["Declined"])

    assert policy.attempts == 3
    assert ErrorDetails(message="declined").message == "declined"


def test_a_worker_takes_no_connection_and_no_logger() -> None:
    given: dict[str, Any] = {"workflows": [shop], "connection": object()}
    with pytest.raises(
        TypeError, match=r"^Worker\(\) has no argument 'connection': there is no NA"
    ):
        Worker(**given)
    given = {"workflows": [shop], "workflow_logger": object()}
    with pytest.raises(
        TypeError, match=r"^Worker\(\) has no argument 'workflow_logger': ctx.logger"
    ):
        Worker(**given)


@pytest.mark.parametrize("name", ["worker_id", "worker_name", "wait_until_ready"])
def test_what_a_worker_does_not_have_says_what_to_use(name: str) -> None:
    with pytest.raises(AttributeError, match=f"^Worker has no '{name}': "):
        getattr(Worker([shop]), name)


async def test_a_worker_that_is_started_is_stopped_and_awaited(operator: FakeOperator) -> None:
    worker = Worker([shop], operator.url, name="worker-1", namespace="shop")
    serving = asyncio.create_task(worker.start())
    conversation, _ = await operator.welcomed()

    stopping = asyncio.create_task(worker.stop())
    await conversation.next(Drain)
    await stopping

    await serving


async def test_a_stop_that_nobody_awaits_stops_too(serve: Serve, operator: FakeOperator) -> None:
    serving = serve(shop)
    await operator.welcomed()

    serving.worker.stop()

    await serving.ended()


async def test_the_wait_for_the_end_of_a_worker_may_be_given_up(
    serve: Serve, operator: FakeOperator
) -> None:
    serving = serve(shop)
    await operator.welcomed()

    waiting = serving.worker.stop()
    waiting.close()
    cancelled = asyncio.create_task(serving.worker.stop())
    cancelled.cancel()

    await serving.ended()
    assert cancelled.cancelled() or cancelled.done() or await asyncio.wait([cancelled])


async def test_a_worker_that_never_ran_has_ended() -> None:
    await Worker([shop]).stop()


@pytest.mark.parametrize(
    ("timeout", "kind", "told"),
    [
        ("3", TypeError, r"shutdown_timeout must be a number of seconds, not '3' \(str\)"),
        (-1, ValueError, "shutdown_timeout must be at least 0 seconds, not -1"),
    ],
)
def test_a_shutdown_timeout_is_seconds(timeout: Any, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        Worker([shop]).stop(timeout)


async def test_a_shutdown_timeout_takes_the_place_of_the_grace(
    serve: Serve, operator: FakeOperator
) -> None:
    hold = Workflow(workflow_type="Hold")
    entered, never = asyncio.Event(), asyncio.Event()

    @hold.start()
    async def start(ctx: Context) -> Directive:
        entered.set()
        await never.wait()
        return ctx.next.complete()

    serving = serve(hold, grace=3600)
    conversation, _ = await operator.welcomed()
    await conversation.execute(execute_of(hold, HandlerKind.START, "start"))
    await entered.wait()

    await serving.worker.stop(shutdown_timeout=0)

    await serving.ended()
