"""The public names of grctl.models: adding one is a decision, removing one breaks users."""

import grctl.models
from grctl.models.reasons import EventReason, RunReason

PUBLIC = [
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


def test_the_public_names_are_these() -> None:
    assert grctl.models.__all__ == PUBLIC
    assert all(hasattr(grctl.models, name) for name in PUBLIC)


def test_the_group_the_version_and_the_finalizer_are_those_in_existing_clusters() -> None:
    assert grctl.models.API_VERSION == "grctl.dev/v1alpha1"
    assert grctl.models.FINALIZER == "grctl.dev/settle"


def test_the_reasons_of_an_event_are_these() -> None:
    assert {each.value for each in EventReason} == {
        "Handled",
        "HandlerFailed",
        "WorkerLost",
        "UnknownEvent",
        "BadPayload",
        "RunFinished",
        "RunDeleted",
        "RunGone",
        "NoSuchRun",
    }


def test_a_reason_that_runs_and_events_share_is_one_word() -> None:
    shared = {each.name for each in EventReason} & {each.name for each in RunReason}

    for name in shared:
        assert EventReason[name].value == RunReason[name].value
