"""`--wait`: how long a command waits, and what it says to a person meanwhile.

Waiting changes nothing: what was asked for goes on, whether or not somebody waits for it.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from grctl.cli.failing import say
from grctl.cli.news import News
from grctl.cli.times import read_length

Limit = Annotated[
    str | None,
    typer.Option("--timeout", metavar="DURATION", help="wait no longer than this: 90s, 5m, 1h30m"),
]

T = TypeVar("T")


def read_limit(timeout: str | None, *, wait: bool) -> timedelta | None:
    """Give how long to wait.

    Raises:
        BadParameter: it is not a duration, or nothing is waited for.
    """
    if timeout is not None and not wait:
        raise typer.BadParameter("it limits --wait, which is not given", param_hint="--timeout")
    return read_length(timeout, "--timeout")


async def patiently(waiting: Awaitable[T], goes_on: str, news: News) -> T:
    """Wait, and tell what the run does; where a person interrupts it, say what goes on."""
    telling = asyncio.create_task(news.tell())
    try:
        return await waiting
    except asyncio.CancelledError:
        say(f"stopped waiting. {goes_on}")
        raise
    finally:
        telling.cancel()
        await asyncio.wait({telling})  # its connection is closed before the pool is
