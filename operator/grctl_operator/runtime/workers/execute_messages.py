"""The messages that give executions to workers, made from what the engine decided. Pure."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from grctl.models.phases import HandlerKind
from grctl.models.run import WorkflowRun
from grctl.models.wire import Execute, Execution
from grctl_operator.engine import decision
from grctl_operator.engine.journal import entries_for
from grctl_operator.engine.observation import Event, Key


def execute_message(
    key: Key, run: WorkflowRun, effect: decision.Dispatch, time: datetime | None
) -> Execute:
    """Return the message for a handler that is due, with the run's store and journal.

    Args:
        key: The run's key.
        run: The run.
        effect: What the engine decided.
        time: The API server's time. None: the worker does not record, and is sent no journal.
    """
    event_uid = effect.event.uid if effect.event else None
    return Execute(
        execution=_execution(key, run, effect),
        payload=_payload(run, effect),
        store=run.status.store,
        journal=entries_for(run.status, event_uid) if time else {},
        time=time,
    )


def execute_messages_ahead(
    key: Key, run: WorkflowRun, effect: decision.Dispatch, time: datetime | None
) -> Iterator[tuple[Execute, Event]]:
    """Yield a message for each event that is handed over ahead: each is built on the one before.

    None of them has a journal: no handler of theirs has begun.
    """
    for number, event in enumerate(effect.events):
        link = replace(effect, name=event.event_name, event=event, commits=effect.commits + number)
        execution = _execution(key, run, link)
        yield Execute(execution=execution, payload=event.payload, ahead=True, time=time), event
        effect = replace(effect, base=execution.id)


def _execution(key: Key, run: WorkflowRun, effect: decision.Dispatch) -> Execution:
    return Execution(
        id=secrets.token_hex(16),
        namespace=key.namespace,
        workflow_id=key.name,
        workflow_type=run.spec.workflow.type,
        run_uid=run.metadata.uid,
        commits=effect.commits,
        base=effect.base,
        handler_kind=effect.kind,
        handler_name=effect.name,
        attempt=effect.attempt,
        event=effect.event.name if effect.event else None,
        event_uid=effect.event.uid if effect.event else None,
    )


def _payload(run: WorkflowRun, effect: decision.Dispatch) -> object:
    if effect.event is not None:
        return effect.event.payload
    return run.spec.workflow.input if effect.kind is HandlerKind.START else None
