"""ReviewOrder: an event whose name differs from its function: `order.rejected`.

Run it: `grctl worker examples.event_names:order`
"""

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.workflow import Workflow

order = Workflow(workflow_type="ReviewOrder")


@order.start()
async def start(ctx: Context, order_id: str) -> Directive:
    ctx.store.put("order_id", order_id)
    return ctx.next.wait_for_event()


@order.event()
async def approve(ctx: Context) -> Directive:
    # Triggered by handle.send("approve")
    ...  # noqa: PIE790  as the guide writes it
    return ctx.next.complete("approved")


@order.event(name="order.rejected")
async def handle_rejection(ctx: Context) -> Directive:
    # Triggered by handle.send("order.rejected")
    ...  # noqa: PIE790  as the guide writes it
    return ctx.next.complete("rejected")
