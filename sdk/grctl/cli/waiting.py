"""`--wait`: how long a command waits, and the news that a person reads meanwhile.

Waiting changes nothing: the requested action goes on, whether or not a command waits for its end.
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

Result = TypeVar("Result")


def read_limit(timeout: str | None, *, wait: bool) -> timedelta | None:
    """Return how long to wait; None: for ever.

    Raises:
        BadParameter: the text is not a duration, or the command does not wait.
    """
    if timeout is not None and not wait:
        raise typer.BadParameter("it limits --wait, which is not given", param_hint="--timeout")
    return read_length(timeout, "--timeout")


async def wait_with_news(waiting: Awaitable[Result], goes_on: str, news: News) -> Result:
    """Wait, and write the news of the run. If a person interrupts the wait, write what goes on."""
    telling = asyncio.create_task(news.tell())
    try:
        return await waiting
    except asyncio.CancelledError:
        say(f"stopped waiting. {goes_on}")
        raise
    finally:
        telling.cancel()
        await asyncio.wait({telling})  # its connection is closed before the pool is
