"""WaitingLine: the order in which runs wait for a worker: for room, or for a handler.

1. A key keeps its place until it is served or no longer waits.
2. A worker with a new catalogue wakes all keys of its type: each must look at it. A worker with a
   catalogue that is there already only brings room.
3. Room wakes one key. If its run did not use the room, the next key is woken: no room stays unused
   while a run waits for it.
4. A key that waits for a handler is woken by a worker that connects, and not by room: there may be
   thousands of such keys, and each outcome makes room.

Pure: keys in, keys out.
"""

from itertools import dropwhile

from grctl_operator.engine.observation import Key
from grctl_operator.views.team import Group

Line = dict[Key, bool]
"""Keys in order, and whether each is woken and has not joined again since."""


class WaitingLine:
    """The keys that wait for a worker, by group."""

    def __init__(self) -> None:
        self._for_room: dict[Group, Line] = {}
        self._for_handler: dict[Group, Line] = {}
        self._groups: dict[Key, Group] = {}

    def __len__(self) -> int:
        """Count the keys that wait."""
        return len(self._groups)

    def __contains__(self, key: Key) -> bool:
        """Return whether a key waits."""
        return key in self._groups

    @property
    def without_handler(self) -> int:
        """Count the keys that wait for a handler that no connected worker has."""
        return sum(len(line) for line in self._for_handler.values())

    def join(self, key: Key, group: Group, *, room: bool = True) -> None:
        """Make a key wait. A key that waits for the same already keeps its place."""
        lines = self._for_room if room else self._for_handler
        if key not in lines.get(group, ()):
            self.leave(key)
        self._groups[key] = group
        lines.setdefault(group, {})[key] = False

    def get_group(self, key: Key) -> Group | None:
        """Return the group in which a key waits."""
        return self._groups.get(key)

    def is_woken(self, key: Key) -> bool:
        """Return whether a key was woken and has not joined again since."""
        group = self._groups.get(key)
        return group is not None and self._lines_of(key)[group][key]

    def leave(self, key: Key) -> Group | None:
        """End the wait of a key. Return the group in which it waited."""
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
        """Wake all keys of a group, and return them."""
        lines = (self._for_room.get(group, {}), self._for_handler.get(group, {}))
        for line in lines:
            line.update(dict.fromkeys(line, True))
        return tuple(key for line in lines for key in line)

    def _lines_of(self, key: Key) -> dict[Group, Line]:
        waits_for_handler = key in self._for_handler.get(self._groups[key], ())
        return self._for_handler if waits_for_handler else self._for_room

    def wake_next(self, group: Group, after: Key | None = None) -> Key | None:
        """Wake the first key that is not woken, behind `after` if that waits. Return it."""
        line = self._for_room.get(group, {})
        keys = iter(line)
        if after in line:
            keys = dropwhile(lambda key: key != after, keys)
            next(keys)
        found = next((key for key in keys if not line[key]), None)
        if found is not None:
            line[found] = True
        return found
