"""`grctl cancel` and `grctl terminate`: end a run."""

import typer

from grctl.cli.failing import run
from grctl.cli.options import Context, Kubeconfig, Namespace, WorkflowId


def cancel(
    workflow_id: WorkflowId,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End a run before its next handler; one that runs is not interrupted."""
    from grctl.client import Client

    async def work() -> None:
        async with Client(namespace, kubeconfig, context) as client:
            await (await client.get_workflow_handle(workflow_id=workflow_id)).cancel()

    run(work())
    typer.echo(f"Asked to cancel {workflow_id}")


def terminate(
    workflow_id: WorkflowId,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End a run at once; a handler that runs is aborted, what it did is void."""
    from grctl.client import Client

    async def work() -> None:
        async with Client(namespace, kubeconfig, context) as client:
            await (await client.get_workflow_handle(workflow_id=workflow_id)).terminate()

    run(work())
    typer.echo(f"Asked to terminate {workflow_id}")
