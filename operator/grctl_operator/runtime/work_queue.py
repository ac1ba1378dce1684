"""WorkQueue: which keys are to be reconciled, each at most once at a time.

1. A key waits once, however often it is added: a wake-up carries no information.
2. A key added while it is reconciled is reconciled again afterwards: no wake-up is lost.
3. One reconcile per key at a time; keys take turns in the order of their adding.
4. While the queue is paused, keys are kept and none is handed out.
5. A sweep queues all keys, most of which need nothing. It does not hold up keys that something
   happened to: it has the turns that these leave, and one in MAX_TURNS_PER_SWEPT_KEY.
6. Keys of a blocked namespace are kept, and not handed out until the namespace is unblocked.

It knows no time: `timing` adds a key when its moment has come.

The relations: `_line` holds the keys of `_dirty` that are neither in `_busy` nor in `_aside`, in
order; `_swept` holds none of them.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable

from grctl_operator.engine.observation import Key

MAX_TURNS_PER_SWEPT_KEY = 4
"""Of so many turns the sweep has one, however busy the queue is."""


class WorkQueue:
    """Keys to reconcile, now or later."""

    def __init__(self) -> None:
        self._line: deque[Key] = deque()
        self._dirty: set[Key] = set()
        """Keys to be reconciled, waiting or because they changed while they are busy."""
        self._busy: set[Key] = set()
        self._swept: OrderedDict[Key, None] = OrderedDict()
        """Keys to be reconciled when there is time, in order."""
        self._blocks: Counter[str] = Counter()
        """How often each namespace is blocked."""
        self._aside: dict[str, dict[Key, None]] = {}
        """Keys whose turn came while their namespace was blocked, in order."""
        self._turns = 0
        self._takers: deque[asyncio.Future[None]] = deque()
        self._paused = False
        self._finished = asyncio.Event()
        """Set while no key is reconciled."""
        self._finished.set()

    def __len__(self) -> int:
        """Count the keys that wait for a reconcile now."""
        return len(self._line) + len(self._swept)

    def __contains__(self, key: Key) -> bool:
        """Return whether a key is to be reconciled now, or once its present reconcile ends."""
        return key in self._dirty

    @property
    def busy(self) -> frozenset[Key]:
        """The keys that are being reconciled."""
        return frozenset(self._busy)

    @property
    def idle(self) -> bool:
        """Whether no key waits or is reconciled now."""
        return not self._dirty and not self._busy and not self._swept

    def add(self, key: Key) -> None:
        """Queue a key for a reconcile as soon as possible."""
        if key in self._dirty:
            return
        self._swept.pop(key, None)
        self._dirty.add(key)
        if key not in self._busy:
            self._queue(key)

    def sweep(self, keys: Iterable[Key]) -> None:
        """Queue keys for a reconcile when there is time."""
        for key in keys:
            if key in self._busy:
                self.add(key)  # the present decision may not know the change yet
            elif key not in self._dirty:
                self._swept[key] = None
                self._wake_taker()

    def block_namespace(self, namespace: str) -> None:
        """Hand out no key of a namespace. Blocked twice, it has to be unblocked twice."""
        self._blocks[namespace] += 1

    def unblock_namespace(self, namespace: str) -> None:
        """Hand out the keys of a namespace again, unless another caller still blocks it."""
        self._blocks[namespace] -= 1
        if self._blocks[namespace] <= 0:
            del self._blocks[namespace]
            for key in self._aside.pop(namespace, {}):
                self._queue(key)

    async def take(self) -> Key:
        """Wait for a key whose turn it is. The caller calls `done` afterwards."""
        while self._paused or (key := self._next()) is None:
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                self._wake_taker()  # the turn may have been given to the taker that leaves
                raise
        return self._start(key)

    def done(self, key: Key) -> None:
        """Note that a key's reconcile has ended."""
        self._busy.discard(key)
        if not self._busy:
            self._finished.set()
        if key in self._dirty:
            self._queue(key)

    def pause(self) -> None:
        """Hand out no key from now on."""
        self._paused = True

    def resume(self) -> None:
        """Hand out keys again."""
        self._paused = False
        for _ in tuple(self._takers):
            self._wake_taker()

    async def finished(self) -> None:
        """Wait until no key is reconciled."""
        await self._finished.wait()

    def _next(self) -> Key | None:
        while len(self):
            key = self._pop()
            if not self._blocks or key.namespace not in self._blocks:
                return key
            self._dirty.add(key)
            self._aside.setdefault(key.namespace, {})[key] = None
        return None

    def _pop(self) -> Key:
        self._turns += 1
        if self._swept and (not self._line or self._turns % MAX_TURNS_PER_SWEPT_KEY == 0):
            return self._swept.popitem(last=False)[0]
        return self._line.popleft()

    def _start(self, key: Key) -> Key:
        self._dirty.discard(key)
        self._busy.add(key)
        self._finished.clear()
        return key

    def _queue(self, key: Key) -> None:
        self._line.append(key)
        self._wake_taker()

    def _wake_taker(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return
