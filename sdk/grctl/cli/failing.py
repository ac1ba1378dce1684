"""How a command fails: one line on standard error that says what to do, and an exit code."""

import asyncio
import os
import shlex
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer

from grctl.cli import INTERRUPTED
from grctl.cli.streams import write_beside
from grctl.terminal import printable

LOCAL_KUBECONFIG = Path(".grctl/kubeconfig")
"""Where `grctl dev` and `grctl local` write theirs."""

T = TypeVar("T")


def say(message: str) -> None:
    """Write a line for the person at the terminal, beside the output, if it can be written."""
    write_beside(f"grctl: {printable(message)}")


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command."""
    say(message)
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run what speaks to the Kubernetes API; what can be expected to go wrong ends the command."""
    from pydantic import ValidationError

    from grctl.cli.unreadable import problem_of
    from grctl.client import WorkflowError
    from grctl.kube import ApiError, ConnectionConfigError, UnreachableError

    expected = (WorkflowError, ApiError, ConnectionConfigError, UnreachableError)
    try:
        return asyncio.run(work)
    except expected as error:
        fail(_told(error))
    except ValidationError as error:  # somebody else has written what no object of ours is
        fail(f"{error.title} cannot be read: {problem_of(error)}")
    except (OSError, ValueError, TypeError) as error:  # a time is up; what is refused unsent
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _told(error: Exception) -> str:
    """Say what is wrong, and what to look at where the API server's words do not."""
    from grctl.client import CrdsMissingError
    from grctl.kube import (
        ApiError,
        ConnectionConfigError,
        UnreachableError,
        UntrustedServerError,
    )

    match error:
        case ConnectionConfigError() | CrdsMissingError():
            return f"{error}{_local_hint()}"
        case UntrustedServerError():
            return f"{error}. It is another server than the kubeconfig's, or its CA has changed."
        case UnreachableError():
            return f"{error}. Is the Kubernetes API running, and is this the right kubeconfig?"
        case ApiError(status=401):
            return (
                "The Kubernetes API does not accept these credentials (401 Unauthorized): the"
                " kubeconfig is of another server, or they have expired."
            )
    return str(error)


def _local_hint() -> str:
    """Point at the kubeconfig that `grctl dev` has written here and nobody has named."""
    if os.environ.get("KUBECONFIG") or not LOCAL_KUBECONFIG.exists():
        return ""
    path = shlex.quote(str(LOCAL_KUBECONFIG.absolute()))
    return f" For the one of `grctl dev` in this directory: export KUBECONFIG={path}"
