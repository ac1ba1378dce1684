"""RetryPolicy: the names of errors, and fields that it does not have."""

import pytest
from pydantic import ValidationError

from grctl.models import RetryPolicy
from grctl.models.wire import Failed


def test_names_of_errors_are_a_list_or_a_tuple_and_kept_as_a_tuple() -> None:
    listed = RetryPolicy(retryable_errors=["TimeoutError"], non_retryable_errors=["CardDeclined"])
    policy = RetryPolicy(retryable_errors=("TimeoutError",), non_retryable_errors=("CardDeclined",))

    assert listed == policy
    assert listed.non_retryable_errors == ("CardDeclined",)
    assert hash(listed) == hash(policy)
    assert RetryPolicy.model_validate(policy.to_json()) == policy


def test_one_name_is_not_a_list_of_names() -> None:
    with pytest.raises(
        ValidationError, match="'str' instances are not allowed as a Sequence value"
    ):
        RetryPolicy(non_retryable_errors="CardDeclined")


def test_a_misspelt_field_is_an_error() -> None:
    with pytest.raises(ValidationError, match="max_atempts"):
        RetryPolicy(max_atempts=5)  # type: ignore[call-arg]


def test_a_message_may_have_fields_of_a_later_version() -> None:
    policy = {"maxAttempts": 5, "initial_delay_ms": 7, "shape": "linear"}
    sent = {"reason": "HandlerFailed", "error": {"type": "E", "message": ""}, "policy": policy}
    read = Failed.model_validate(sent)
    assert read.policy == RetryPolicy(max_attempts=5, initial_delay_ms=7)
    assert Failed.model_validate(read.to_json()) == read
