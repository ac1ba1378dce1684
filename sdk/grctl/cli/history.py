"""`grctl history`: what happened to a run, in order, and what is not known any more."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grctl.cli.failing import run
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    AnyId,
    Context,
    Kubeconfig,
    Namespace,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, show, terminal_width

if TYPE_CHECKING:
    from grctl.client import Client
    from grctl.models import HistoryItem

Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="print what happens from now on, until the run ends")
]


def history(
    workflow_id: AnyId,
    *,
    follow: Follow = False,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """Show what happened to a run: commits, events, tasks, and gaps.

    With --follow, JSON is one object a line, and YAML one document an item.
    """
    from grctl.client import Client

    opened = Client(namespace, kubeconfig, context, request_timeout=request_timeout)
    if follow:
        run(_follow(opened, workflow_id, output))
        return
    items = run(_read(opened, workflow_id))
    _show(items, output)


async def _read(opened: "Client", workflow_id: str) -> "list[HistoryItem]":
    async with opened as client:
        return await client.get_history(workflow_id)


async def _follow(opened: "Client", workflow_id: str, output: Format) -> None:
    is_first = True
    async with opened as client:
        async for item in client.get_history(workflow_id).follow():
            _show_one(item, output, is_first=is_first)
            is_first = False


def _show(items: "list[HistoryItem]", output: Format) -> None:
    from grctl.cli.history_text import history_lines

    text = "\n".join(history_lines(items, terminal_width()))
    show(text, [each.to_json() for each in items], output)


def _show_one(item: "HistoryItem", output: Format, *, is_first: bool) -> None:
    """Print one item of a history that is followed."""
    from grctl.cli.history_text import followed_lines

    match output:
        case Format.JSON:
            show(_json_line(item.to_json()), None, Format.TEXT)
        case Format.YAML:
            show("---", None, Format.TEXT)
            show("", item.to_json(), output)
        case _:
            lines = followed_lines(item, terminal_width(), is_first=is_first)
            show("\n".join(lines), None, output)


def _json_line(value: Any) -> str:
    import json

    from grctl.cli.streams import takes_unicode
    from grctl.terminal import json_escaped

    return json_escaped(json.dumps(value, ensure_ascii=not takes_unicode()))
