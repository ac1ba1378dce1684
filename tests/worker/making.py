"""Executions as an operator would send them, and their results."""

from collections.abc import Mapping
from typing import Any

from grctl.models import HandlerKind
from grctl.models.wire import Execute, Execution, Failed, Refused, Succeeded
from grctl.worker.executor import carry_out
from grctl.workflow import Workflow, workflow_of


def execute_of(
    workflow: Any,
    kind: HandlerKind,
    name: str,
    payload: Any = None,
    store: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Execute:
    fields: dict[str, Any] = {
        "id": "execution-1",
        "namespace": "shop",
        "workflow_id": "order-abc",
        "workflow_type": workflow_of(workflow).workflow_type,
        "run_uid": "uid-1",
        "commits": 3,
        "handler_kind": kind,
        "handler_name": name,
    }
    if kind is HandlerKind.EVENT:
        fields |= {"event": "order-abc-approve-1", "event_uid": "event-uid-1"}
    execution = Execution(**(fields | changes))
    return Execute(execution=execution, payload=payload, store=dict(store or {}))


async def outcome_of(execute: Execute, workflow: Any) -> Succeeded | Failed | Refused:
    own: Workflow = workflow_of(workflow)
    return await carry_out({own.workflow_type: own}, execute)


async def start(workflow: Any, payload: Any = None) -> Succeeded | Failed | Refused:
    return await outcome_of(execute_of(workflow, HandlerKind.START, "start", payload), workflow)


async def step(workflow: Any, name: str, **store: Any) -> Succeeded | Failed | Refused:
    execute = execute_of(workflow, HandlerKind.STEP, name, store=store)
    return await outcome_of(execute, workflow)


async def event(workflow: Any, name: str, payload: Any = None) -> Succeeded | Failed | Refused:
    return await outcome_of(execute_of(workflow, HandlerKind.EVENT, name, payload), workflow)
