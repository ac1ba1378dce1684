"""How a command fails: one line on standard error that says what to do, and an exit code."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer

INTERRUPTED = 130  # as shells count: 128 and the number of SIGINT

T = TypeVar("T")


def say(message: str) -> None:
    """Write a line for the person at the terminal, beside the output."""
    typer.echo(f"grctl: {message}", err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command."""
    say(message)
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run what speaks to the Kubernetes API; what can be expected to go wrong ends the command."""
    from grctl.client import WorkflowError
    from grctl.kube import ApiError, ConnectionConfigError, UnreachableError

    expected = (WorkflowError, ApiError, ConnectionConfigError, UnreachableError)
    try:
        return asyncio.run(work)
    except expected as error:
        fail(str(error))
    except (TimeoutError, ValueError, TypeError) as error:  # what the client refuses to send
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
