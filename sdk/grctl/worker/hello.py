"""The size of a Hello: an operator reads LARGEST_HELLO of a worker that it does not know yet.

1. What a worker can run has its half of that. Who has more splits it among several workers.
2. What it holds has the rest. That takes some thousand executions; those beyond are left out. The
   operator takes them for lost and has them run again (at least once), so nothing is lost.
"""

from collections.abc import Iterable

from grctl.loggers import get_logger
from grctl.models.wire import LARGEST_HELLO, MOST_TYPES, Catalogue, Execution, encode

logger = get_logger(__name__)

CATALOGUES = LARGEST_HELLO // 2  # bytes
HELD = LARGEST_HELLO - CATALOGUES - 16 * 1024  # bytes: names and numbers have some room


def check_size(catalogues: tuple[Catalogue, ...]) -> None:
    """Return if workflows fit into one worker.

    Raises:
        ValueError: they do not.
    """
    size = sum(len(encode(each).encode()) for each in catalogues)
    if len(catalogues) > MOST_TYPES:
        raise ValueError(
            f"One worker runs at most {MOST_TYPES} workflows, not {len(catalogues)}: start several"
            " workers, each with some of them."
        )
    if size > CATALOGUES:
        raise ValueError(
            f"The handlers of {len(catalogues)} workflows and their payloads' schemas take {size}"
            f" bytes, and one worker may have {CATALOGUES}: start several workers, each with some"
            " of them."
        )


def fitting(held: Iterable[Execution]) -> tuple[Execution, ...]:
    """Return the executions that a Hello has room for, the oldest first."""
    left = HELD
    kept: list[Execution] = []
    for execution in held:
        left -= len(encode(execution).encode()) + 1
        if left < 0:
            logger.warning("more is held than can be said", extra={"said": len(kept)})
            break
        kept.append(execution)
    return tuple(kept)
