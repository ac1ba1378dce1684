"""Properties of all models: names, immutability, unknown fields, durations."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from grctl.models import RunSpec, RunStatus, WorkflowRun, WorkflowSpec
from grctl.models.base import DURATION_PATTERN
from tests.engine.builders import event, settlement, waiting_run


def spec_with(timeout: object) -> WorkflowSpec:
    return WorkflowSpec.model_validate({"type": "Order", "timeout": timeout})


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5h", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read_as_kubernetes_writes_it(text: str, length: timedelta) -> None:
    assert spec_with(text).timeout == length


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(minutes=90), "1h30m"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(milliseconds=250), "250ms"),
    ],
)
def test_a_duration_is_written_as_kubernetes_writes_it(length: timedelta, text: str) -> None:
    assert WorkflowSpec(type="Order", timeout=length).to_json()["timeout"] == text


@pytest.mark.parametrize("length", [timedelta(days=3), timedelta(seconds=1.5), timedelta(0)])
def test_a_duration_that_was_written_is_read_as_the_same(length: timedelta) -> None:
    written = WorkflowSpec(type="Order", timeout=length).to_json()

    assert WorkflowSpec.model_validate(written).timeout == length


@pytest.mark.parametrize("length", [timedelta(days=400), timedelta(microseconds=1500)])
def test_a_duration_is_written_as_the_api_server_takes_it(length: timedelta) -> None:
    text = WorkflowSpec(type="Order", timeout=length).to_json()["timeout"]

    assert re.fullmatch(DURATION_PATTERN, text)


@pytest.mark.parametrize("text", ["", "24", "tomorrow", "1 hour", "1x", "h"])
def test_a_text_that_is_not_a_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        spec_with(text)

    assert f"{text!r} is not a duration; write it like '90s', '15m' or '1h30m'" in str(
        refusal.value
    )


@pytest.mark.parametrize("text", ["-5m", "+5m", ".5h", "5us"])
def test_a_duration_that_the_api_server_refuses_is_refused_here_too(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        spec_with(text)


@pytest.mark.parametrize("text", ["99999999999h", "9" * 400 + "s", "9" * 60 + "h1m"])
def test_a_duration_that_nobody_can_count_is_read_as_the_longest(text: str) -> None:
    spec = spec_with(text)

    assert spec.timeout == timedelta.max
    assert spec.to_json()["timeout"]


@pytest.mark.parametrize("text", ["5m\n", "\n5m"])
def test_a_duration_has_no_line_break(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        spec_with(text)


@pytest.mark.parametrize("text", ["2026-01-01T12:00:00", "2026-01-01T13:00:00+01:00"])
def test_a_moment_is_in_utc_however_it_is_written(text: str) -> None:
    status = RunStatus.model_validate({"startedAt": text})

    assert status.started_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert status.to_json()["startedAt"] == "2026-01-01T12:00:00Z"


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_moment_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="beyond the calendar"):
        RunStatus.model_validate({"startedAt": text})


def test_outside_names_are_camel_case_and_unset_fields_left_out() -> None:
    spec = RunSpec(workflow=WorkflowSpec(type="Order"), cancel=True)

    assert spec.to_json() == {"workflow": {"type": "Order"}, "cancel": True}


def test_the_uid_of_a_status_is_spelled_as_kubernetes_spells_acronyms() -> None:
    assert RunStatus(for_uid="u1").to_json()["forUID"] == "u1"
    assert RunStatus.model_validate({"forUID": "u1"}).for_uid == "u1"


def test_a_field_of_a_newer_version_is_ignored() -> None:
    status = RunStatus.model_validate({"phase": "Running", "invention": {"of": "tomorrow"}})

    assert status == RunStatus.model_validate({"phase": "Running"})


def test_a_model_cannot_be_changed() -> None:
    status = RunStatus()

    with pytest.raises(ValidationError, match="frozen"):
        status.commits = 1  # type: ignore[misc]


def test_a_run_that_the_api_server_just_created_can_be_read() -> None:
    run = WorkflowRun.model_validate(
        {
            "apiVersion": "grctl.dev/v1alpha1",
            "kind": "WorkflowRun",
            "metadata": {
                "name": "order",
                "namespace": "shop",
                "uid": "u1",
                "resourceVersion": "7",
                "creationTimestamp": "2026-11-23T12:00:00Z",
                "managedFields": [],
            },
            "spec": {"workflow": {"type": "Order", "input": {"items": [1, None]}}},
            "status": {"phase": "Pending", "observedGeneration": 0},
        }
    )

    assert run.spec.workflow.input == {"items": [1, None]}
    assert (run.held, run.deleting) == (False, False)


def test_a_null_inside_free_json_is_kept() -> None:
    store = {"answer": None, "list": [None, {"deep": None}]}

    assert RunStatus(store=store).to_json()["store"] == store
    assert WorkflowSpec(type="Order", input=store).to_json()["input"] == store


def test_a_status_that_was_written_is_read_as_the_same() -> None:
    status = waiting_run(settled=[settlement(event("approve"))]).status

    assert RunStatus.model_validate(status.to_json()) == status


def test_an_error_about_an_object_does_not_quote_it() -> None:
    with pytest.raises(ValidationError) as refused:
        WorkflowRun.model_validate({"metadata": {"name": 7}, "status": {"store": "secret"}})
    assert "secret" not in str(refused.value)
