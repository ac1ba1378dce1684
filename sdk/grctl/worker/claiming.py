"""Claiming: a handler asks the journal for a call, in an order that may differ between attempts.

1. A call that is not in the journal, while entries are unused, comes from other code. It raises
   NonDeterministicError before it has a side effect. But gathered calls come in any order. So it
   waits first, as long as other asyncio tasks of the handler run, which may use those entries.
2. An entry is not read before those that were recorded earlier are asked for, if other asyncio
   tasks of the handler may ask for them. So a race of two branches ends as it did before, although
   nothing takes time now.
3. Such a wait is bounded. Time in which a function of a task runs does not count: the branch that
   called it may use the entries afterwards.
"""

import asyncio
from collections.abc import Callable, Mapping

from grctl.models.journal import Entry, is_final
from grctl.worker.call_identity import name_of
from grctl.worker.execution_clock import read_moment
from grctl.worker.journal import HandlerJournal, journal_in
from grctl.worker.task_errors import NonDeterministicError

TURNS_WITHOUT_PAUSE_COUNT = 3
"""Turns of the loop: most gathered calls begin in the same one."""
LOOK_AGAIN_S = 0.05
CLAIM_PATIENCE_S = 5.0
MAX_SHOWN_UNUSED_COUNT = 5


async def claim(journal: HandlerJournal, key: str) -> Entry | None:
    """Return the entry that the journal has for a call; None if it has none.

    Raises:
        HandlerEndedError: the handler has ended.
        NonDeterministicError: the call comes from other code.
    """
    journal.check()
    if journal.get(key) is None and journal.unused:
        await _wait_while(journal, lambda: journal.get(key) is None and journal.unused)
        if journal.get(key) is None and journal.unused:
            raise journal.fail(_mismatch(journal, key))
    journal.use(key)
    entry = journal.get(key)
    if entry is not None and is_final(entry) and _earlier(journal.unused, entry):
        await _wait_while(journal, lambda: _earlier(journal.unused, entry))
    return journal.get(key)


def _earlier(unused: Mapping[str, Entry], entry: Entry) -> bool:
    """Return whether an entry that is unused was recorded before another one."""
    at = read_moment(entry.get("at"))
    if at is None:
        return False
    moments = (read_moment(each.get("at")) for each in unused.values())
    return any(each < at for each in moments if each is not None)


async def _wait_while(journal: HandlerJournal, blocked: Callable[[], object]) -> None:
    """Wait while something is so, other parts of the handler run, and the patience lasts."""
    waited, turns = 0.0, 0
    while blocked() and _others_run(journal) and waited < CLAIM_PATIENCE_S:
        pause = 0.0 if turns < TURNS_WITHOUT_PAUSE_COUNT else LOOK_AGAIN_S
        await journal.sleep(pause)
        journal.check()
        turns += 1
        if not journal.running_count:
            waited += pause


def _others_run(journal: HandlerJournal) -> bool:
    """Return whether other asyncio tasks of the handler are not done.

    Before Python 3.12 a task does not show its context, so any task may be one of the handler.
    """
    present = asyncio.current_task()
    return any(each is not present and _may_belong(each, journal) for each in asyncio.all_tasks())


def _may_belong(task: asyncio.Task[object], journal: HandlerJournal) -> bool:
    context = getattr(task, "get_context", None)
    return context is None or journal_in(context()) is journal


def _mismatch(journal: HandlerJournal, key: str) -> NonDeterministicError:
    unused = list(journal.unused)
    shown = ", ".join(unused[:MAX_SHOWN_UNUSED_COUNT])
    more = len(unused) - MAX_SHOWN_UNUSED_COUNT
    shown += f" and {more} more" if more > 0 else ""
    return NonDeterministicError(
        f"Handler {journal.execution.handler_name} called {name_of(key)} ({key}), which earlier"
        f" attempts did not record; they recorded {shown}, and this one has not called that. It"
        " runs other code, or decides by something that differs between attempts (time, chance,"
        " a global): use ctx.now(), ctx.random() or a task for that."
    )
