"""The message of a run that waits for an event: the prompt, what it waits for, and what waits.

It depends on the drafted status, on the timeout step's handler, and on nothing else.
"""

from grctl.models.run import InboxEntry, RunStatus, Wait
from grctl_operator.engine.choice import is_taken, names_of
from grctl_operator.engine.dispatch import missing_timeout_step
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import shown_moment
from grctl_operator.engine.situation import Situation

MAX_PROMPT_CHARS_IN_MESSAGE = 300
"""A message is in the status three times, and a column of kubectl shows less than that."""
MAX_LATER_EVENTS_IN_MESSAGE = 5
"""Names of events that wait for a later wait; the inbox shows more."""


def waiting_text(situation: Situation, draft: Draft) -> str:
    """Return the prompt, what would end the wait, and what waits for a later one."""
    status, wait = draft.status, draft.status.wait
    sentences = [*_question(wait), _awaited(status)]
    if wait and wait.deadline:
        sentences.append(f"At {shown_moment(wait.deadline)} it goes on with {wait.timeout_step}.")
    sentences += _lacking(situation, draft)
    sentences += later_clause(status)
    return " ".join(sentences)


def later_clause(status: RunStatus) -> list[str]:
    """Return a sentence about the events that the wait does not take, if there are any."""
    names = names_of(status.wait)
    later = [entry for entry in status.inbox if not is_taken(names, entry.event_name)]
    count = status.inbox_length - (len(status.inbox) - len(later))
    if not later or count <= 0:
        return []
    waits = "1 more event waits" if count == 1 else f"{count} more events wait"
    return [f"{waits} for a later wait: {_listed(later, count)}"]


def _listed(entries: list[InboxEntry], count: int) -> str:
    shown = [entry.event_name for entry in entries[:MAX_LATER_EVENTS_IN_MESSAGE]]
    return ", ".join(shown) + (", ..." if count > len(shown) else ".")


def _question(wait: Wait | None) -> list[str]:
    """Return the prompt in one line that ends a sentence."""
    text = " ".join(((wait and wait.prompt) or "").split())
    if len(text) > MAX_PROMPT_CHARS_IN_MESSAGE:
        text = f"{text[:MAX_PROMPT_CHARS_IN_MESSAGE]}..."
    if not text:
        return []
    return [f"{text}." if text[-1].isalnum() else text]


def _awaited(status: RunStatus) -> str:
    """Return which events end the wait: those that it takes, or all that workers handle."""
    wait = status.wait
    if wait is None or wait.events is None:
        names: tuple[str, ...] = status.event_names
    elif wait.events:
        names = wait.events
    else:
        return "Waits for no event."
    waits = "Waits for" if _question(wait) else "Waits for an event"
    return f"{waits}: {', '.join(names)}." if names else "Waits for an event."


def _lacking(situation: Situation, draft: Draft) -> list[str]:
    """Return which handlers that end the wait no connected worker has."""
    workflow, status = situation.run.spec.workflow.type, draft.status
    found = []
    if missing_timeout_step(situation, draft):
        found.append(
            f"No connected worker of {workflow} has that step: deploy the version that has it."
        )
    awaited = (status.wait and status.wait.events) or ()
    unknown = [name for name in awaited if status.event_names and name not in status.event_names]
    if unknown:
        found.append(
            f"No connected worker of {workflow} handles {', '.join(unknown)}: deploy the version"
            " that does."
        )
    return found
