"""Answer the queries of a workflow, over the store that a handler leaves.

1. A query harms nothing. One that raises, takes too long, or answers with something that cannot be
   kept has no value: `$errors` says why, and so does the worker's log. The outcome is committed as
   it would be without queries.
2. A query reads. Its context has the store, the run and the logger. Everything else raises.
3. All queries of a handler share one limit of time and one of size. A query that blocks the event
   loop cannot be stopped; it is found and named as a handler is.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from grctl.json.serialization import cut, in_kib, size_of, to_json
from grctl.models.answers import ERRORS_KEY
from grctl.models.limits import MAX_ANSWERS_BYTES
from grctl.worker.context import Context, CurrentRun
from grctl.worker.logs import HandlerLogger
from grctl.worker.store import Store
from grctl.workflow.query import Query

QUERY_TIMEOUT_S = 1.0
"""For all queries of a workflow together: their answers delay the commit."""
MAX_QUERY_ERROR_BYTES = 300

Answers = dict[str, Any]


class ReadOnlyError(RuntimeError):
    """A query tried to change its run."""


class ReadOnlyStore(Store):
    """The store as a query sees it: `get` and `keys` work, `put` and `delete` raise."""

    def put(self, key: str, value: Any) -> NoReturn:  # noqa: ARG002  the signature of a store
        """Raise ReadOnlyError: a query only reads."""
        _refuse(f"ctx.store.put({key!r}, ...)")

    def delete(self, key: str) -> NoReturn:
        """Raise ReadOnlyError: a query only reads."""
        _refuse(f"ctx.store.delete({key!r})")


class QueryContext:
    """First argument of every query: what may be read of the run.

    Attributes:
        run: The run, and the handler that ran last.
        store: The values that the handler leaves. They cannot be changed.
        logger: A logger whose records name the run.

    Example:
        >>> @order.query()
        ... async def summary(ctx: Context) -> str:
        ...     return f"{await ctx.store.get('amount')} EUR"
    """

    def __init__(self, run: CurrentRun, store: ReadOnlyStore, logger: HandlerLogger) -> None:
        self.run = run
        self.store = store
        self.logger = logger

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(Context, name) or name == "next":
            _refuse(f"ctx.{name}")
        raise AttributeError(f"The context of a query has no {name!r}: run, store and logger.")


async def answer_queries(
    queries: Sequence[Query[Any, Any]],
    context: Context,
    values: Mapping[str, Any],
    timeout: float = QUERY_TIMEOUT_S,  # noqa: ASYNC109  of all queries, and one is not stopped by it
) -> Answers | None:
    """Return the answers to queries; None if there are no queries.

    Args:
        queries: The queries, in the order of definition.
        context: The context of the handler that has returned.
        values: The store that it leaves.
        timeout: Seconds for all queries together.
    """
    if not queries:
        return None
    reading = QueryContext(context.run, ReadOnlyStore(values), context.logger)
    tasks = {each.name: asyncio.create_task(_answer(each, reading)) for each in queries}
    try:
        await asyncio.wait(tasks.values(), timeout=timeout)
    finally:
        for task in tasks.values():
            task.cancel()
    ends = {name: _end_of(task, timeout) for name, task in tasks.items()}
    return _kept(ends, context.logger)


async def _answer(query: Query[Any, Any], context: QueryContext) -> Any:
    """Return the JSON of an answer, or the error that there is instead.

    SystemExit and KeyboardInterrupt are errors too: in a task, asyncio would end the loop by them.
    """
    try:
        return to_json(await query.function(context), f"The answer of {query.name!r}")
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  a query harms nothing
        return _QueryError(f"{type(error).__name__}: {_text_of(error)}", error)


class _QueryError:
    """Why a query has no value."""

    def __init__(self, text: str, cause: BaseException | None = None) -> None:
        self.text = cut(text, MAX_QUERY_ERROR_BYTES)
        self.cause = cause


def _end_of(task: asyncio.Task[Any], timeout: float) -> Any:
    """Return what a query has come to: the JSON of its answer, or its error."""
    if not task.done():
        return _QueryError(f"no answer within {timeout:g} s: a query only reads ctx.store")
    return _QueryError("it was cancelled") if task.cancelled() else task.result()


def _kept(ends: Mapping[str, Any], logger: HandlerLogger) -> Answers:
    """Return the answers to keep, and log each query that has none."""
    values = {name: end for name, end in ends.items() if not isinstance(end, _QueryError)}
    failed = {name: end for name, end in ends.items() if isinstance(end, _QueryError)}
    for name, length in _oversized(values, failed):
        del values[name]
        failed[name] = _QueryError(_too_large(length))
    for name, error in failed.items():
        extra = {"query": name, "why": error.text}
        logger.warning("query failed", extra=extra, exc_info=error.cause)
    return _assembled(values, failed)


def _oversized(
    values: Mapping[str, Any], failed: Mapping[str, "_QueryError"]
) -> list[tuple[str, int]]:
    """Return the largest answers, with their sizes: without them the others fit together."""
    surplus = size_of(_assembled(values, failed)) - MAX_ANSWERS_BYTES
    if surplus <= 0:
        return []
    sizes = sorted(((size_of({name: each}), name) for name, each in values.items()), reverse=True)
    found: list[tuple[str, int]] = []
    for length, name in sizes:
        if surplus <= 0:
            break
        surplus -= length - size_of({name: _too_large(length)})
        found.append((name, length))
    return found


def _assembled(values: Mapping[str, Any], failed: Mapping[str, "_QueryError"]) -> Answers:
    errors = {name: each.text for name, each in failed.items()}
    return {**values, **({ERRORS_KEY: errors} if errors else {})}


def _too_large(length: int) -> str:
    return (
        f"{in_kib(length)} of JSON; all answers together have at most {in_kib(MAX_ANSWERS_BYTES)}"
    )


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as unprintable:  # noqa: BLE001  a __str__ of the user's that fails
        return f"(its text cannot be made: {type(unprintable).__name__})"


def _refuse(what: str) -> NoReturn:
    raise ReadOnlyError(
        f"{what}: a query cannot change its run. It reads ctx.store and ctx.run, and returns the"
        " answer. Change the run in a handler."
    )
