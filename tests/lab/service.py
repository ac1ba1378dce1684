"""A system outside, as the tasks of handlers call it: it counts its calls and obeys the test.

1. Every call writes one line when it begins and one when it ends, into a file that outlives a kill.
2. The test holds a call open, or makes the next calls fail, before they begin. Nothing sleeps.
3. A result names the call that made it, so that two calls never return the same.
"""

import asyncio
from collections import Counter
from contextvars import ContextVar
from pathlib import Path

from grctl.worker.context import Context
from tests.history.calls import TaskCall, read_calls, record_call
from tests.lab.gate import POLL_S, lab_directory

_running: ContextVar[Context] = ContextVar("running")


class ServiceError(Exception):
    """The service failed, and may succeed the next time."""


class RefusedError(Exception):
    """The service will never do that."""


ERRORS = {each.__name__: each for each in (ServiceError, RefusedError)}


def calls_from(ctx: Context) -> None:
    """Name the execution that the calls of this handler come from."""
    _running.set(ctx)


def note_call(name: str, key: str, result: str | None = None) -> None:
    """Write that a call of the handler that runs begins, or that it ended with a result."""
    record_call(_running.get().run, lab_directory(), name, key, result)


class Service:
    """The service, as the test and as the workers see it.

    Args:
        directory: Directory of the sandbox; None in a worker, whose environment names it.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or lab_directory()

    async def call(self, name: str, key: str) -> str:
        """Do something for a task, and return a result that no other call returns.

        Args:
            name: What is done. The test counts calls, holds them and makes them fail by it.
            key: The idempotency key.

        Raises:
            ServiceError, RefusedError: as the test said.
        """
        self._note(name, key)
        number = self.begun[name]
        await asyncio.sleep(0)  # every call of another system lets others begin theirs
        while self._file(name, "held").exists():  # noqa: ASYNC110  the test is another process
            await asyncio.sleep(POLL_S)
        self._fail_as_told(name, key, f"{name}-{number} failed")
        self._note(name, key, f"{name}-{number}")
        return f"{name}-{number}"

    def hold(self, *names: str) -> None:
        """Hold the calls of these names open from now on."""
        for name in names:
            self._file(name, "held").touch()

    def release(self, *names: str) -> None:
        """End the calls of these names that are held, and hold no more."""
        for name in names:
            self._file(name, "held").unlink(missing_ok=True)

    def fail(self, name: str, times: int, kind: type[Exception] = ServiceError) -> None:
        """Make the first calls of a name fail, so many for each idempotency key."""
        self._file(name, "fails").write_text(f"{times} {kind.__name__}")

    @property
    def calls(self) -> tuple[TaskCall, ...]:
        """The beginnings and ends of all calls, in that order."""
        return read_calls(self._directory)

    @property
    def begun(self) -> Counter[str]:
        """How many calls of each name have begun."""
        return Counter(call.name for call in self.calls if call.result is None)

    @property
    def ended(self) -> Counter[str]:
        """How many calls of each name have returned a result."""
        return Counter(call.name for call in self.calls if call.result is not None)

    def keys(self, name: str) -> list[str]:
        """Return the idempotency keys of the calls of a name, in the order of their beginnings."""
        return [call.key for call in self.calls if call.name == name and call.result is None]

    def times(self, name: str) -> list[float]:
        """Return when the calls of a name began, in seconds since the epoch."""
        return [call.at for call in self.calls if call.name == name and call.result is None]

    def _fail_as_told(self, name: str, key: str, text: str) -> None:
        told = self._file(name, "fails")
        times, kind = told.read_text().split() if told.exists() else ("0", "")
        if self.keys(name).count(key) <= int(times):
            self._note(name, key, text)
            raise ERRORS[kind](text)

    def _note(self, name: str, key: str, result: str | None = None) -> None:
        record_call(_running.get().run, self._directory, name, key, result)

    def _file(self, name: str, what: str) -> Path:
        return self._directory / f"{name}.{what}"
