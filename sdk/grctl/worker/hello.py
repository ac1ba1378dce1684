"""Keep a Hello small: an operator reads MAX_HELLO_BYTES of a worker that it does not know yet.

1. The catalogues (what the worker can run) may take half of that. A worker with larger ones does
   not start: its workflows must be split among several workers.
2. The executions that it holds may take the rest, which is some thousand of them. Further ones are
   left out. The operator takes them for lost and dispatches them again (at-least-once).
"""

from collections.abc import Iterable

from grctl.logs.loggers import get_logger
from grctl.models.wire import MAX_HELLO_BYTES, MAX_TYPES_PER_WORKER, Catalogue, Execution, encode

logger = get_logger(__name__)

CATALOGUES_BYTES = MAX_HELLO_BYTES // 2
HELD_BYTES = (
    MAX_HELLO_BYTES - CATALOGUES_BYTES - 16 * 1024
)  # bytes: names and numbers have some room


def check_size(catalogues: tuple[Catalogue, ...]) -> None:
    """Check that the workflows of a worker fit into a Hello.

    Raises:
        ValueError: they do not; says what to do.
    """
    size = sum(len(encode(each).encode()) for each in catalogues)
    if len(catalogues) > MAX_TYPES_PER_WORKER:
        raise ValueError(
            f"One worker runs at most {MAX_TYPES_PER_WORKER} workflows, not {len(catalogues)}:"
            " start several workers, each with some of them."
        )
    if size > CATALOGUES_BYTES:
        raise ValueError(
            f"The handlers of {len(catalogues)} workflows and their payloads' schemas take {size}"
            f" bytes, and one worker may have {CATALOGUES_BYTES}: start several workers, each with"
            " some of them."
        )


def executions_that_fit(held: Iterable[Execution]) -> tuple[Execution, ...]:
    """Return the executions that a Hello has room for, from the oldest on."""
    left = HELD_BYTES
    kept: list[Execution] = []
    for execution in held:
        left -= len(encode(execution).encode()) + 1
        if left < 0:
            logger.warning("more is held than can be said", extra={"said": len(kept)})
            break
        kept.append(execution)
    return tuple(kept)
