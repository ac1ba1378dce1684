"""`grctl list`: the runs, and what each of them does or waits for."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from grctl.cli.completing import phases, workflow_types
from grctl.cli.failing import run, say
from grctl.cli.operators import is_taken_up, why_nobody_leads
from grctl.cli.options import (
    COMMAND_REQUEST_TIMEOUT_S,
    Context,
    Kubeconfig,
    Namespace,
    Output,
    RequestTimeout,
)
from grctl.cli.output import Format, show, terminal_width
from grctl.cli.times import age
from grctl.terminal import printable

if TYPE_CHECKING:
    from grctl.client.access import Access
    from grctl.models import RunInfo

COLUMNS = ("ID", "WORKFLOW", "PHASE", "STEP", "INBOX", "AGE", "MESSAGE")

Type = Annotated[
    str | None,
    typer.Option(
        "--type", metavar="TYPE", help="only of this workflow type", autocompletion=workflow_types
    ),
]
Phase = Annotated[
    str | None,
    typer.Option(metavar="PHASE", help="only of this phase, as WaitEvent", autocompletion=phases),
]
Held = Annotated[bool, typer.Option("--held", help="only those that are held, until `grctl retry`")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="of all namespaces")]


def list_runs(
    *,
    workflow_type: Type = None,
    phase: Phase = None,
    held: Held = False,
    everywhere: Everywhere = False,
    output: Output = Format.TEXT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    request_timeout: RequestTimeout = COMMAND_REQUEST_TIMEOUT_S,
) -> None:
    """List runs by id, with what each does or waits for."""
    from grctl.cli.reading import find_runs, open_access
    from grctl.models import RunInfo

    fields = {"spec.workflow.type": workflow_type, "status.phase": _read_phase(phase)}
    given = {field: value for field, value in fields.items() if value}

    async def work() -> tuple[str, list[RunInfo], str]:
        async with open_access(
            namespace, kubeconfig, context, request_timeout, everywhere=everywhere
        ) as access:
            found = map(RunInfo.of, await find_runs(access, given))
            infos = [each for each in found if _is_held(each) or not held]
            missing = await _why_not_taken_up(access, infos) if output is Format.TEXT else ""
            return access.namespace, infos, missing

    where, infos, missing = run(work())
    rows = _rows(infos, datetime.now(UTC), everywhere=everywhere)
    if infos or output is not Format.TEXT:
        show(_text(list(rows)), [each.to_json() for each in infos], output)
    if not infos:
        say(_no_runs_message(where, given, held=held))
    if missing:
        say(missing)


async def _why_not_taken_up(access: "Access", infos: "Sequence[RunInfo]") -> str:
    """Return why no operator takes up some run; empty if all are taken up, or if it is unknown."""
    unseen = [each for each in infos if not is_taken_up(each.message, each.phase)]
    if not unseen:
        return ""
    why = await why_nobody_leads(access, unseen[0].namespace, datetime.now(UTC))
    others = f" and {len(unseen) - 1} more" if unseen[1:] else ""
    return f"nobody takes up {unseen[0].workflow_id}{others}: {why}" if why else ""


def _read_phase(text: str | None) -> str | None:
    """Return the phase of that name, in whatever case its letters are."""
    from grctl.models import RunPhase

    if text is None:
        return None
    for phase in RunPhase:
        if phase.lower() == text.lower():
            return phase.value
    listed = ", ".join(RunPhase)
    raise typer.BadParameter(f"{text!r} is not a phase; phases: {listed}", param_hint="--phase")


def _rows(
    infos: "Sequence[RunInfo]", now: datetime, *, everywhere: bool
) -> Iterator[Sequence[str]]:
    yield ("NAMESPACE", *COLUMNS) if everywhere else COLUMNS
    for info in infos:
        step = info.step.name if info.step else ""
        phase = f"{info.phase} (held)" if _is_held(info) else info.phase
        columns = (info.workflow_id, info.workflow_type, phase, step, str(info.inbox_length))
        cells = (*map(printable, columns), age(info.created_at, now), printable(info.message))
        yield (info.namespace, *cells) if everywhere else cells


def _is_held(info: "RunInfo") -> bool:
    return info.step is not None and info.step.stall is not None


def _text(rows: Sequence[Sequence[str]]) -> str:
    from grctl.cli.table import table

    return "\n".join(table(rows, terminal_width()))


def _no_runs_message(namespace: str, fields: dict[str, str], *, held: bool) -> str:
    """Return the message for an empty list."""
    where = f"in namespace {namespace}" if namespace else "in any namespace"
    such = "".join(f", {field}={value}" for field, value in fields.items())
    return f"no {'held ' if held else ''}runs {where}{such}"
