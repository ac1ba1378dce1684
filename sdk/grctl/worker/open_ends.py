"""Open ends: the calls that failed or were cancelled, and from which the handler has not gone on.

A handler that fails with the error of a task is tried again, or held until a person has mended the
cause. The journal is kept, and so the next attempt would read the same error and fail again. So the
failed outcome names the calls whose ends were open, and they are done again.

An end is closed as soon as the asyncio task that saw it, or the handler's own one, calls something
else. Then the journal may hold what was done about it, and the next attempt must go the same way.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class _OpenEnd:
    key: str
    error: BaseException | None
    """The error that the handler saw; None if it cancelled the call."""
    seen_by: asyncio.Task[Any] | None


@dataclass(slots=True)
class OpenEnds:
    """The open ends of one attempt at a handler.

    Attributes:
        handler: The asyncio task of the handler itself.
    """

    handler: asyncio.Task[Any] | None = None
    _open: list[_OpenEnd] = field(default_factory=list)

    def on_call(self) -> None:
        """Close the ends that the present asyncio task has seen, because it calls something now."""
        if not self._open:
            return
        caller = asyncio.current_task()
        if caller is self.handler:
            self._open = []
        self._open = [each for each in self._open if each.seen_by is not caller]

    def on_error(self, key: str, error: BaseException) -> None:
        """Note that a call raises its final error."""
        self._open.append(_OpenEnd(key, error, asyncio.current_task()))

    def on_cancelled(self, key: str) -> None:
        """Note that the handler cancelled a call."""
        self._open.append(_OpenEnd(key, None, asyncio.current_task()))

    def keys_behind(self, failure: BaseException) -> tuple[str, ...]:
        """Return the keys of the open ends that led to a failure of the handler."""
        chain = _chain(failure) if self._open else []
        return tuple(
            dict.fromkeys(
                each.key
                for each in self._open
                if each.error is None or any(each.error is one for one in chain)
            )
        )


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error with those that it was raised from, that it followed, and that it holds."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or any(each is one for one in found):
            continue
        found.append(each)
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
    return found
