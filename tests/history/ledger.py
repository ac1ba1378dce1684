"""The ledger: a history sorted by event and by run, for the checks to read.

Commits are derived from the versions of runs: a commit consumed the outbox entries whose sequence
is new from one version to the next. If versions were missed, the statuses of the events fill the
gap.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from grctl.models.phases import EventPhase
from tests.history.history import EventVersion, History, OutboxEntry, RunVersion

V = TypeVar("V", EventVersion, RunVersion)


@dataclass(frozen=True, slots=True)
class Commit:
    """The step of a run from one version to the next, which need not be a commit."""

    before: RunVersion
    after: RunVersion
    consumed: tuple[OutboxEntry, ...]

    @property
    def is_one(self) -> bool:
        """Whether the step is a commit."""
        return self.after.commits != self.before.commits


class Ledger:
    """The facts of a history, sorted."""

    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def events(self) -> dict[str, list[EventVersion]]:
        """Versions of each event, by uid."""
        return _by_uid(self.history.events)

    @cached_property
    def runs(self) -> dict[str, list[RunVersion]]:
        """Versions of each run, by uid."""
        return _by_uid(self.history.runs)

    @cached_property
    def places(self) -> dict[str, int]:
        """Each event's place in the arrival order: of the create's answer, or as first seen."""
        seen = {uid: versions[0].revision for uid, versions in self.events.items()}
        return seen | {answer.uid: answer.revision for answer in self.history.answers}

    @cached_property
    def stored(self) -> dict[str, datetime]:
        """The latest time at which each event was stored: of the answer, or of the watch.

        The event's own timestamp may be much older, if the API server had to wait for its store.
        """
        seen = {
            uid: versions[0].seen or versions[0].created for uid, versions in self.events.items()
        }
        for answer in self.history.answers:
            if answer.at is not None and answer.at < seen.get(answer.uid, answer.at):
                seen[answer.uid] = answer.at
        return seen

    @cached_property
    def commits(self) -> dict[str, list[Commit]]:
        """Steps of each run from version to version, by the run's uid."""
        return {uid: list(_steps(versions)) for uid, versions in self.runs.items()}

    @cached_property
    def consumed(self) -> dict[str, list[OutboxEntry]]:
        """The events that the commits of each run consumed, by the run's uid."""
        found = {
            uid: [each for commit in commits for each in commit.consumed]
            for uid, commits in self.commits.items()
        }
        return found if self.history.complete else self._filled_in(found)

    @cached_property
    def fates(self) -> dict[str, list[OutboxEntry]]:
        """The outbox entries of each event, by its uid: one for each commit that consumed it."""
        fates: dict[str, list[OutboxEntry]] = defaultdict(list)
        for consumed in self.consumed.values():
            for each in consumed:
                fates[each.event].append(each)
        return fates

    @cached_property
    def begun(self) -> frozenset[str]:
        """Uids of the events with which an execution began."""
        return frozenset(each.event for each in self.history.started if each.event)

    @cached_property
    def processed(self) -> list[OutboxEntry]:
        """The events that a handler was committed for."""
        consumed = (each for all_of_run in self.consumed.values() for each in all_of_run)
        return [each for each in consumed if each.phase is EventPhase.PROCESSED]

    def chooses(self, run: str) -> bool:
        """Return whether the waits of a run choose, by its uid."""
        return run in self.runs and self.runs[run][0].workflow_type in self.history.choosing

    def event_name(self, uid: str) -> str:
        """Return what an event asks for; empty if it was never seen."""
        return self.events[uid][0].event_name if uid in self.events else ""

    def name(self, uid: str) -> str:
        """Return the name of an event, for messages."""
        return self._names.get(uid, uid)

    @cached_property
    def _names(self) -> dict[str, str]:
        answered = {answer.uid: answer.name for answer in self.history.answers}
        return answered | {uid: versions[0].name for uid, versions in self.events.items()}

    def _filled_in(self, found: dict[str, list[OutboxEntry]]) -> dict[str, list[OutboxEntry]]:
        known = {uid: {each.event for each in consumed} for uid, consumed in found.items()}
        for uid, versions in self.events.items():
            last = versions[-1]
            if last.sequence is None or last.run not in found or last.reason is None:
                continue
            if uid not in known[last.run]:
                told = OutboxEntry(uid, last.run, last.phase, last.reason, last.sequence)
                found[last.run].append(told)
        return {uid: sorted(each, key=lambda one: one.sequence) for uid, each in found.items()}


def _by_uid(versions: tuple[V, ...]) -> dict[str, list[V]]:
    found: dict[str, list[V]] = defaultdict(list)
    for version in versions:
        found[version.uid].append(version)
    return found


def _steps(versions: list[RunVersion]) -> Iterator[Commit]:
    first = versions[0]
    blank = RunVersion(first.uid, first.name, first.workflow_type, 0)
    for before, after in pairwise([blank, *versions]):
        fresh = (each for each in after.outbox if each.sequence > before.settled)
        yield Commit(before, after, tuple(sorted(fresh, key=lambda each: each.sequence)))
