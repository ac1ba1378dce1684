"""Starts orders and sends them events from Python. Needs a worker of `examples.orders:order`.

Run it: `python -m examples.client`
"""

import asyncio
from typing import Any

from grctl.client import Client, WorkflowHandle


async def approve_order(client: Client) -> Any:
    handle = await client.start_workflow(
        workflow_type="ProcessOrder",
        workflow_id="order-abc",
        workflow_input={"order_id": "abc"},
    )
    # Later, send an event
    await handle.send("approve")
    return await handle.result()


async def change_order(handle: WorkflowHandle) -> None:
    await handle.send("set_priority", payload="high")
    await handle.send("update_quantity", payload={"item_id": "apple", "qty": 3})


async def hurry_order(client: Client) -> Any:
    handle = await client.start_workflow(
        workflow_type="ProcessOrder",
        workflow_id="order-urgent",
        workflow_input={"order_id": "urgent"},
    )
    await change_order(handle)
    await handle.send("approve")
    return await handle.result()


async def main() -> None:
    async with Client() as client:
        print(await approve_order(client))
        print(await hurry_order(client))


if __name__ == "__main__":
    asyncio.run(main())
