"""Lingering: work that lasts gives its turn away, and no namespace keeps all turns.

A write may last as long as an admission webhook hangs, ten seconds by default, and a namespace may
have a thousand of them.

1. Work that lasts longer than LINGERS_AFTER_S lingers: its turn is given to other work, and it goes
   on beside that. Work that waits before it tries again lingers at once.
2. A namespace is slow while work lingers there, and for STAYS_SLOW_S after. In a slow namespace at
   most MAX_WORK_PER_SLOW_NAMESPACE pieces of work are under way: while there are so many, the
   namespace is blocked and gets no turn. So a namespace where all writes hang or fail holds up
   itself, and others for no longer than LINGERS_AFTER_S.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

LINGERS_AFTER_S = 0.5
"""A hundred times as long as a reconcile with a write takes."""
MAX_WORK_PER_SLOW_NAMESPACE = 4
STAYS_SLOW_S = 60.0


class Gate(Protocol):
    """Gives out the turns."""

    def block_namespace(self, namespace: str) -> None:
        """Keep turns from a namespace until it is unblocked."""

    def unblock_namespace(self, namespace: str) -> None:
        """Serve a namespace again."""


class Lingering:
    """Knows which work lingers, and blocks namespaces for it.

    Args:
        gate: Gives out the turns.
        on_turn_left: Is told of each turn that other work may have.
    """

    def __init__(self, gate: Gate, on_turn_left: Callable[[], None]) -> None:
        self._gate = gate
        self._on_turn_left = on_turn_left
        self._begun_s: dict[Hashable, float] = {}
        """When work with a turn began, by the loop's clock; the oldest first."""
        self._timer: asyncio.TimerHandle | None = None
        """One for all work, set for the oldest: one for each piece would cost more."""
        self._namespaces: dict[Hashable, str] = {}
        """The namespace of all work that is under way."""
        self._under_way: Counter[str] = Counter()
        self._lingering: Counter[str] = Counter()
        self._slow: dict[str, asyncio.TimerHandle | None] = {}
        """Slow namespaces. The timer forgets one where no work lingers now."""
        self._blocked: set[str] = set()

    def begin(self, work: Hashable, namespace: str) -> None:
        """Note that work has a turn."""
        self._begun_s[work] = asyncio.get_running_loop().time()
        if self._timer is None:
            self._set_timer()
        self._namespaces[work] = namespace
        self._under_way[namespace] += 1
        self._judge(namespace)

    def linger(self, work: Hashable) -> None:
        """Note that work goes on without a turn from now on, as it will last."""
        if work in self._begun_s:
            self._linger(work)

    def end(self, work: Hashable) -> bool:
        """Note that work has ended. Return whether it lingered, so that its turn is another's."""
        namespace = self._namespaces.pop(work)
        lingered = self._begun_s.pop(work, None) is None
        self._count(self._under_way, namespace, -1)
        if lingered:
            self._count(self._lingering, namespace, -1)
            self._forget_later(namespace)
        self._judge(namespace)
        return lingered

    def _set_timer(self) -> None:
        oldest_s = next(iter(self._begun_s.values()))
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(oldest_s + LINGERS_AFTER_S, self._look_for_lingering)

    def _look_for_lingering(self) -> None:
        self._timer = None
        since_s = asyncio.get_running_loop().time() - LINGERS_AFTER_S
        for work in [work for work, begun_s in self._begun_s.items() if begun_s <= since_s]:
            self._linger(work)
        if self._begun_s and self._timer is None:
            self._set_timer()

    def _linger(self, work: Hashable) -> None:
        del self._begun_s[work]
        namespace = self._namespaces[work]
        self._count(self._lingering, namespace, 1)
        self._note_slow(namespace, None)
        self._judge(namespace)
        self._on_turn_left()

    def _judge(self, namespace: str) -> None:
        """Block or unblock a namespace, by how much of its work is under way."""
        if not self._slow and not self._blocked:
            return
        full = namespace in self._slow and self._under_way[namespace] >= MAX_WORK_PER_SLOW_NAMESPACE
        if full and namespace not in self._blocked:
            self._blocked.add(namespace)
            self._gate.block_namespace(namespace)
        elif not full and namespace in self._blocked:
            self._blocked.remove(namespace)
            self._gate.unblock_namespace(namespace)

    def _note_slow(self, namespace: str, timer: asyncio.TimerHandle | None) -> None:
        known = self._slow.get(namespace)
        if known is not None:
            known.cancel()
        self._slow[namespace] = timer

    def _forget_later(self, namespace: str) -> None:
        if not self._lingering[namespace]:
            loop = asyncio.get_running_loop()
            self._note_slow(namespace, loop.call_later(STAYS_SLOW_S, self._forget, namespace))

    def _forget(self, namespace: str) -> None:
        del self._slow[namespace]
        self._judge(namespace)

    @staticmethod
    def _count(counter: Counter[str], namespace: str, change: int) -> None:
        counter[namespace] += change
        if not counter[namespace]:
            del counter[namespace]
