"""WaitingLine: which keys wait for a worker: for room, first come first served, or for a handler.

1. A key keeps its place until it is served or no longer waits.
2. A worker with a new catalogue wakes all of its type: each must look at it. One that is like
   those that are there wakes as many as it has room for.
3. Room for one wakes one. If that one did not use it, the next is woken: no room stays unused
   while somebody waits.
4. A key whose handler no connected worker has is woken by a worker that connects, and by no room:
   there may be thousands, and room comes up with each outcome.

Pure: keys in, keys out.
"""

from itertools import dropwhile

from grctl_operator.engine.observation import Key
from grctl_operator.views.team import Group


class WaitingLine:
    """The lines before each group of workers."""

    def __init__(self) -> None:
        self._lines: dict[Group, dict[Key, bool]] = {}
        """Keys that wait for room, in order, and whether each is woken and has not answered yet."""
        self._unserved: dict[Group, dict[Key, bool]] = {}
        """Keys that wait for a handler."""
        self._groups: dict[Key, Group] = {}

    def __len__(self) -> int:
        """Count the keys that wait."""
        return len(self._groups)

    def __contains__(self, key: Key) -> bool:
        """Say whether a key waits."""
        return key in self._groups

    @property
    def unserved(self) -> int:
        """Count the keys that wait for a handler that no connected worker has."""
        return sum(len(line) for line in self._unserved.values())

    def join(self, key: Key, group: Group, *, room: bool = True) -> None:
        """Have a key wait; one that waits already keeps its place."""
        lines = self._lines if room else self._unserved
        if key not in lines.get(group, ()):
            self.leave(key)
        self._groups[key] = group
        lines.setdefault(group, {})[key] = False

    def group(self, key: Key) -> Group | None:
        """Give where a key waits."""
        return self._groups.get(key)

    def woken(self, key: Key) -> bool:
        """Say whether a key was woken and has not joined again since."""
        group = self._groups.get(key)
        return group is not None and self._lines_of(key)[group][key]

    def leave(self, key: Key) -> Group | None:
        """Have a key wait no more. Give where it waited."""
        group = self._groups.get(key)
        if group is None:
            return None
        lines = self._lines_of(key)
        del lines[group][key]
        if not lines[group]:
            del lines[group]
        del self._groups[key]
        return group

    def wake_all(self, group: Group) -> tuple[Key, ...]:
        """Give all keys of a group."""
        lines = (self._lines.get(group, {}), self._unserved.get(group, {}))
        for line in lines:
            line.update(dict.fromkeys(line, True))
        return tuple(key for line in lines for key in line)

    def _lines_of(self, key: Key) -> dict[Group, dict[Key, bool]]:
        unserved = key in self._unserved.get(self._groups[key], ())
        return self._unserved if unserved else self._lines

    def wake_next(self, group: Group, after: Key | None = None) -> Key | None:
        """Give the first key that is not woken; the first behind `after`, if that waits still."""
        line = self._lines.get(group, {})
        keys = iter(line)
        if after in line:
            keys = dropwhile(lambda key: key != after, keys)
            next(keys)
        found = next((key for key in keys if not line[key]), None)
        if found is not None:
            line[found] = True
        return found
