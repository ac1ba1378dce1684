"""The answers to a workflow's queries, as a client asks for them. Pure."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from grctl.client.errors import AnswerTypeError, QueryFailedError, UnknownQueryError
from grctl.json.validating import validate_json
from grctl.models.answers import answered_values, query_errors
from grctl.models.run import WorkflowRun


def answer_of(run: WorkflowRun, query: str, return_type: Any = None) -> Any:
    """Return the answer to a query at the run's last commit.

    Args:
        run: The run.
        query: Name of the query.
        return_type: The type to make of the JSON; None: the JSON as it is.

    Raises:
        UnknownQueryError: there is no such query; names those that there are.
        QueryFailedError: the query raised, took too long, or its answer cannot be kept.
        AnswerTypeError: the answer does not fit `return_type`.
    """
    values, errors = answered_values(run.status.answers), query_errors(run.status.answers)
    if query in errors:
        raise QueryFailedError(
            f"The query {query!r} of {run.metadata.name!r} had no answer at commit"
            f" {run.status.commits}: {errors[query]}"
        )
    if query not in values:
        raise UnknownQueryError(_unknown(run, query, (*values, *errors)))
    return values[query] if return_type is None else _as_type(query, values[query], return_type)


def _unknown(run: WorkflowRun, query: str, known: tuple[str, ...]) -> str:
    name, workflow = run.metadata.name, run.spec.workflow.type
    if known:
        listed = ", ".join(map(repr, sorted(known)))
        return f"{workflow} has no query {query!r}; {name!r} has answers to {listed}."
    if not run.status.commits:
        return f"{name!r} has no answers yet: they come with the outcome of its start handler."
    return (
        f"{name!r} has no answers: the worker that ran its last handler has no query of {workflow}."
    )


def _as_type(query: str, value: Any, return_type: Any) -> Any:
    try:
        return validate_json(TypeAdapter(return_type), value)
    except ValidationError as error:
        raise AnswerTypeError(
            f"The answer to {query!r} does not fit {return_type!r}: {error}"
        ) from error
