"""The answers to a workflow's queries, as `status.answers` holds them. Pure.

`{"summary": "120 EUR for a laptop", "$errors": {"lines": "KeyError: ..."}}`: the value of each
query under its name. A query that could not be answered has no value. `$errors` names it, and says
why. No query has such a name, so an error never looks like a value.
"""

from collections.abc import Mapping
from typing import Any

RESERVED_QUERY_PREFIX = "$"
"""The name of a query does not begin with it."""
ERRORS_KEY = "$errors"


def answered_values(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each query that was answered.

    Example:
        >>> answered_values({"summary": "for a laptop", "$errors": {"lines": "KeyError: 'lines'"}})
        {'summary': 'for a laptop'}
    """
    return {
        name: value for name, value in answers.items() if not name.startswith(RESERVED_QUERY_PREFIX)
    }


def query_errors(answers: Mapping[str, Any]) -> dict[str, str]:
    """Return why each query that was not answered has no value."""
    errors = answers.get(ERRORS_KEY)
    return {name: str(text) for name, text in errors.items()} if isinstance(errors, dict) else {}
