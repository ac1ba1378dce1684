"""The resources and messages of grctl, and the words they use."""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere
from grctl.models.base import API_VERSION, GROUP, VERSION
from grctl.models.directive import (
    Complete,
    Directive,
    ErrorDetails,
    Fail,
    NextStep,
    RetryPolicy,
    WaitForEvent,
)
from grctl.models.event import EventSpec, EventStatus, WorkflowEvent
from grctl.models.history import HistoryEvent, HistoryItem, HistoryKind
from grctl.models.info import RunInfo
from grctl.models.phases import EventPhase, HandlerKind, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import (
    FINALIZER,
    EventCounts,
    RunError,
    RunSpec,
    RunStatus,
    Step,
    Wait,
    WorkflowRun,
    WorkflowSpec,
)

__all__ = [
    "API_VERSION",
    "FINALIZER",
    "GROUP",
    "VERSION",
    "Complete",
    "Directive",
    "ErrorDetails",
    "EventCounts",
    "EventPhase",
    "EventReason",
    "EventSpec",
    "EventStatus",
    "Fail",
    "HandlerKind",
    "HistoryEvent",
    "HistoryItem",
    "HistoryKind",
    "NextStep",
    "RetryPolicy",
    "RunError",
    "RunInfo",
    "RunPhase",
    "RunReason",
    "RunSpec",
    "RunStatus",
    "Step",
    "Wait",
    "WaitForEvent",
    "WorkflowEvent",
    "WorkflowRun",
    "WorkflowSpec",
]

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__,
        {
            "DirectiveKind": "compare the class: isinstance(directive, grctl.models.Complete)",
            "RunStateKind": "write `from grctl.models import RunPhase`",
        },
    )
