"""ProcessOrder: waits for an approval, then fulfills the order.

Run it: `grctl worker examples.orders:order`
"""

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.worker.task import task
from grctl.workflow import Workflow

order = Workflow(workflow_type="ProcessOrder")


@order.start()
async def start(ctx: Context, order_id: str) -> Directive:
    ctx.store.put("order_id", order_id)

    # Pause until an event arrives
    return ctx.next.wait_for_event()


@order.event()
async def approve(ctx: Context) -> Directive:
    ctx.store.put("status", "approved")
    return ctx.next.step(fulfill)


@order.event()
async def reject(ctx: Context) -> Directive:
    ctx.store.put("status", "rejected")
    return ctx.next.complete("rejected")


@order.event()
async def update_quantity(ctx: Context, item_id: str, qty: int) -> Directive:
    ctx.store.put(f"qty_{item_id}", qty)
    return ctx.next.wait_for_event()


@order.event()
async def set_priority(ctx: Context, priority: str) -> Directive:
    ctx.store.put("priority", priority)
    return ctx.next.wait_for_event()


@order.step()
async def fulfill(ctx: Context) -> Directive:
    order_id = await ctx.store.get("order_id")
    priority = await ctx.store.get("priority", default="normal")
    parcel = await ship(order_id, priority)
    ctx.store.put("status", "fulfilled")
    return ctx.next.complete({"order_id": order_id, "status": "fulfilled", "parcel": parcel})


@task
async def ship(order_id: str, priority: str) -> str:
    """Stand in for a call to the warehouse."""
    return f"{priority}-{order_id}"
