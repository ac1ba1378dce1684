"""Code for the first grctl, run by an operator and a worker on the embedded API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from grctl.client import WorkflowCancelledError, WorkflowFailedError
from grctl.models import ErrorDetails, RunPhase
from grctl.models.errors import WorkflowError
from grctl.worker import Context, StoreKeyNotFoundError, task
from grctl.workflow import Directive, Workflow
from tests.examples.conftest import Stage, staged

HOUR = timedelta(hours=1)

trip = Workflow(workflow_type="Trip")


class Ticket(BaseModel):
    """What a trip results in."""

    number: UUID
    sold_at: datetime
    seats: int


class SoldOutError(Exception):
    """An error of the user's."""


def look_for_a_seat() -> None:
    raise SoldOutError("no seat is left")


@task
async def reserve(seats: int) -> int:
    return seats


@trip.start()
async def start(ctx: Context, seats: int) -> Directive:
    if seats < 1:
        return ctx.next.fail(ErrorDetails(type="NoSeats", message=f"{seats} seats"))
    ctx.store.put("seats", await reserve(seats))
    return ctx.next.wait(timeout=HOUR, on_timeout=give_up)


@trip.event(name="trip.paid")
async def sell(ctx: Context) -> Directive:
    try:
        await ctx.store.get("sold", bool)
    except StoreKeyNotFoundError:
        ctx.store.put("sold", True)
    await ctx.sleep(timedelta(milliseconds=1))
    return ctx.next.step(print_ticket)


@trip.step(timeout=timedelta(seconds=60))
async def print_ticket(ctx: Context) -> Directive:
    return ctx.next.complete(
        Ticket(
            number=await ctx.uuid4(),
            sold_at=await ctx.now(),
            seats=await ctx.store.get("seats", int),
        )
    )


@trip.event()
async def sell_out(ctx: Context) -> Directive:
    try:
        look_for_a_seat()
    except SoldOutError as error:
        return ctx.next.fail(error)
    return ctx.next.wait()


@trip.step()
async def give_up(ctx: Context) -> Directive:
    return ctx.next.complete()


@trip.query()
async def seats_taken(ctx: Context) -> int:
    return await ctx.store.get("seats", int)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, trip) as stage:
        yield stage


async def test_a_run_of_the_first_grctls_code_completes_with_a_typed_result(stage: Stage) -> None:
    handle = await stage.client.start_workflow("Trip", "trip-1", {"seats": 2}, return_type=Ticket)
    await stage.until("trip-1", RunPhase.WAIT_EVENT)
    assert await handle.query("seats_taken") == 2

    await handle.send("trip.paid")
    ticket = await asyncio.wait_for(handle.future, timeout=60)

    assert (ticket.seats, ticket.number.version) == (2, 4)
    assert (await stage.client.get_handle("trip-1")).run_info.id == handle.run_info.id
    handlers = [each.handler for each in await stage.client.get_history("trip-1") if each.handler]
    assert handlers == ["start", "trip.paid", "print_ticket"]


async def test_a_run_that_fails_on_purpose_has_the_given_type_and_message(stage: Stage) -> None:
    with pytest.raises(WorkflowFailedError, match=r"^trip-2 failed: NoSeats: 0 seats") as raised:
        await stage.client.run_workflow("Trip", "trip-2", {"seats": 0})

    assert isinstance(raised.value, WorkflowError)
    assert raised.value.error is not None
    assert raised.value.error.type == "NoSeats"


async def test_an_event_whose_handler_fails_the_run_is_processed_and_the_store_kept(
    stage: Stage,
) -> None:
    handle = await stage.client.start_workflow("Trip", "trip-3", {"seats": 3})
    sent = await handle.send("sell_out")

    with pytest.raises(WorkflowFailedError, match="SoldOutError: no seat is left") as raised:
        await asyncio.wait_for(handle.future, timeout=60)

    assert "raise SoldOutError" in raised.value.__notes__[0]
    assert (await sent.settled(timeout=60)).phase == "Processed"
    assert (await handle.describe()).store == {"seats": 3}


async def test_a_cancelled_run_says_why(stage: Stage) -> None:
    handle = await stage.client.start_workflow("Trip", "trip-4", {"seats": 1})
    await stage.until("trip-4", RunPhase.WAIT_EVENT)

    await handle.cancel(reason="the bus is broken")

    with pytest.raises(WorkflowCancelledError, match="Cancelled by spec: the bus is broken"):
        await asyncio.wait_for(handle.future, timeout=60)
