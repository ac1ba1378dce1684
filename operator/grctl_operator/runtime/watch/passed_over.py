"""PassedOver: the objects that could not be read, by uid and version.

1. Each version is reported once: in the log, and on the object itself as a core Event. A list or a
   watch that shows it again is not news.
2. At most MAX_REMEMBERED_OBJECTS are remembered: beyond that an object may be reported again.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from grctl.models.reasons import RunReason
from grctl_operator.runtime.people.announcer import involved_object
from grctl_operator.runtime.people.notices import Notice
from grctl_operator.views.reading import Unreadable, identity_of

MAX_REMEMBERED_OBJECTS = 10_000
PASSED = "The operator cannot read this object and passes it over until it is changed: "

Announce = Callable[[Notice], None]

logger = logging.getLogger(__name__)


class PassedOver:
    """Notes the objects that were passed over, and reports them.

    Args:
        announce: Publishes a core Event on an object.
    """

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._known: OrderedDict[str, str] = OrderedDict()

    def add(self, kind: str, item: Any, why: str) -> None:
        """Note an object that cannot be read."""
        found = identity_of(kind, item, why)
        if found is None:
            logger.error("object passed over", extra={"kind": kind, "error": why})
        elif self._known.get(found.uid) != found.version:
            self._remember(found)
            self._report(found)

    def _remember(self, found: Unreadable) -> None:
        self._known[found.uid] = found.version
        self._known.move_to_end(found.uid)
        if len(self._known) > MAX_REMEMBERED_OBJECTS:
            self._known.popitem(last=False)

    def _report(self, found: Unreadable) -> None:
        fields = {"kind": found.kind, "object": str(found.key), "error": found.why}
        logger.error("object passed over", extra=fields)
        about = involved_object(found.kind, *found.key, found.uid)
        text = f"{PASSED}{found.why}"
        self._announce(Notice(about, found.key, RunReason.UNREADABLE, text, warning=True))
