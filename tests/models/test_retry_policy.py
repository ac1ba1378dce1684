"""RetryPolicy: the names of errors, as a list or a tuple."""

import pytest
from pydantic import ValidationError

from grctl.models import RetryPolicy


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
