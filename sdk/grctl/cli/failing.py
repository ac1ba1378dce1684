"""How a command fails: one line on standard error that says what to do, and an exit code."""

import asyncio
import os
import shlex
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer

from grctl.cli import INTERRUPTED_EXIT_CODE
from grctl.cli.streams import write_stderr
from grctl.terminal import printable

LOCAL_KUBECONFIG = Path(".grctl/kubeconfig")
"""The kubeconfig that `grctl dev` and `grctl local` write."""

Result = TypeVar("Result")


def say(message: str) -> None:
    """Write a line to standard error for the person at the terminal, if it can be written."""
    write_stderr(f"grctl: {printable(message)}")


def fail(message: str, code: int = 1) -> NoReturn:
    """Write why the command fails to standard error, and end it with an exit code."""
    say(message)
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run requests to the Kubernetes API. An expected error ends the command with its message."""
    from grctl.client import WorkflowError
    from grctl.kube import ApiError, ConnectionConfigError, UnreachableError

    expected = (WorkflowError, ApiError, ConnectionConfigError, UnreachableError)
    try:
        return asyncio.run(work)
    except expected as error:
        fail(_message_of(error))
    except (OSError, ValueError, TypeError) as error:  # a timeout; an argument that cannot be sent
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None


def _message_of(error: Exception) -> str:
    """Return the message of an error, with a hint where its own text has none."""
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
    """Return a hint to the kubeconfig of `grctl dev` in this directory, if there is one."""
    if os.environ.get("KUBECONFIG") or not LOCAL_KUBECONFIG.exists():
        return ""
    path = shlex.quote(str(LOCAL_KUBECONFIG.absolute()))
    return f" For the one of `grctl dev` in this directory: export KUBECONFIG={path}"
