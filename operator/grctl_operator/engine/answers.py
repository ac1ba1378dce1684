"""The answers to a workflow's queries: committed with the outcome whose store they were made of.

1. An answer belongs to one store. An outcome without answers removes those of the outcome before:
   its worker has no queries, or does not know them, and old answers would be of another store.
2. Answers that did not change stay the same object, so that the status does not change by them.
3. A worker keeps the limit of size itself. Answers that are larger all the same are dropped, and
   the outcome is committed: a query harms nothing.
"""

from typing import Any

from grctl.json.equality import same_json
from grctl.json.serialization import size_of
from grctl.models.limits import MAX_ANSWERS_BYTES
from grctl.models.wire import Succeeded
from grctl_operator.engine.draft import Draft


def answers_after(draft: Draft, result: Succeeded) -> dict[str, Any]:
    """Return the answers that a status has after an outcome."""
    known, sent = draft.status.answers, result.answers
    if not sent:
        return {} if known else known
    if known and same_json(known, sent):
        return known
    return sent if size_of(sent) <= MAX_ANSWERS_BYTES else {}
