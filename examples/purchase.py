"""Purchase: two levels of approval with escalation, a payment that is made once, a reminder.

Run it: `grctl dev examples.purchase:purchase`
"""

from datetime import timedelta

from pydantic import BaseModel

from grctl.models import Directive, ErrorDetails
from grctl.models.directive import RetryPolicy
from grctl.worker.context import Context
from grctl.worker.task import current_task, task
from grctl.workflow import Workflow

MANAGER_LIMIT = 1_000  # EUR: a higher amount needs the director too
LIMIT = 50_000  # EUR

# A handler that fails for good is held until somebody mends the cause and runs `grctl retry`.
purchase = Workflow(workflow_type="Purchase", on_failure="hold")


class Order(BaseModel):
    """What is bought. Times are seconds."""

    item: str
    amount: int
    escalate_after_s: float = 24 * 3600
    remind_after_s: float = 3 * 24 * 3600


class BankUnavailableError(Exception):
    """The bank does not answer."""


@purchase.start()
async def start(ctx: Context, order: Order) -> Directive:
    ctx.store.put("order", order)
    if order.amount > LIMIT:
        text = f"{order.amount} is more than {LIMIT}."
        return ctx.next.fail(ErrorDetails(type="LimitExceeded", message=text))
    return ctx.next.wait_for_event(
        events=[manager_approve, reject],
        prompt=f"{order.item} for {order.amount} EUR: does the manager approve?",
        timeout=timedelta(seconds=order.escalate_after_s),
        timeout_step_name=ask_director,
    )


@purchase.event()
async def manager_approve(ctx: Context, by: str) -> Directive:
    order = await ctx.store.get("order", as_type=Order)
    ctx.store.put("approved_by", by)
    return ctx.next.step(ask_director if order.amount > MANAGER_LIMIT else buy)


@purchase.step()
async def ask_director(ctx: Context) -> Directive:
    """Wait for the director: the second level, or nobody answered on the first."""
    order = await ctx.store.get("order", as_type=Order)
    manager = await ctx.store.get("approved_by", default="nobody")
    return ctx.next.wait_for_event(
        events=[director_approve, reject],
        prompt=f"{order.item} for {order.amount} EUR, approved by {manager} so far:"
        " does the director approve?",
    )


@purchase.event()
async def director_approve(ctx: Context, by: str) -> Directive:
    ctx.store.put("approved_by", by)
    return ctx.next.step(buy)


@purchase.event()
async def reject(ctx: Context, by: str, reason: str = "") -> Directive:
    ctx.store.put("rejected_by", by)
    return ctx.next.complete({"status": "rejected", "by": by, "reason": reason})


@purchase.step()
async def buy(ctx: Context) -> Directive:
    order = await ctx.store.get("order", as_type=Order)
    receipt = await pay(ctx.run.workflow_id, order.amount)  # not called again once it is recorded
    await send_mail("buyer", f"{order.item} is paid: {receipt}")
    ctx.store.put("receipt", receipt)
    return ctx.next.step(remind, after=timedelta(seconds=order.remind_after_s))


@purchase.step()
async def remind(ctx: Context) -> Directive:
    """Remind the buyer, some days after the payment. No process waits for that."""
    order = await ctx.store.get("order", as_type=Order)
    await send_mail("buyer", f"Has {order.item} arrived?")
    receipt = await ctx.store.get("receipt")
    by = await ctx.store.get("approved_by")
    return ctx.next.complete({"status": "bought", "receipt": receipt, "by": by})


@purchase.query()
async def summary(ctx: Context) -> str:
    order = await ctx.store.get("order", as_type=Order)
    paid = "paid" if "receipt" in await ctx.store.keys() else "not paid"
    return f"{order.item}, {order.amount} EUR, {paid}"


PATIENT = RetryPolicy(max_attempts=5, initial_delay_ms=500, non_retryable_errors=["CardDeclined"])


@task(retry_policy=PATIENT, timeout=timedelta(seconds=20))
async def pay(purchase_id: str, amount: int) -> str:
    """Stand in for a bank that answers the third request. A real one takes the idempotency key."""
    call = current_task()
    if call.attempt < 3:
        raise BankUnavailableError(f"no answer about {call.idempotency_key}")
    return f"receipt-{purchase_id}-{amount}"


@task
async def send_mail(to: str, text: str) -> None:
    """Stand in for a mail."""
