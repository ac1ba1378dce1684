"""Sending an event: one create, under a name that was made before the first try.

1. The name is the idempotency key: a create repeated under it cannot send twice.
2. A name that is there already is compared: the same event is sent, another is an error.
3. Sent means that the API server has accepted it; from then on it is never lost.
"""

import asyncio
from dataclasses import dataclass, field

from grctl.client.access import Access, Json
from grctl.client.errors import EventGoneError, EventNameTakenError
from grctl.client.names import check_name, check_text, event_object_name
from grctl.client.timeouts import Timeout, in_words, seconds
from grctl.json.equality import same_json
from grctl.json.serialization import check_size, to_json
from grctl.kube import EVENTS, AlreadyExistsError
from grctl.models.base import API_VERSION
from grctl.models.event import EventSpec, EventStatus
from grctl.models.limits import MAX_PAYLOAD_BYTES

ROUNDS = 5  # looks at a name that is taken at one moment and free at the next


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that the API server has accepted."""

    name: str
    """Name of the WorkflowEvent."""
    namespace: str
    workflow_id: str
    event_name: str
    uid: str | None
    """Uid of the WorkflowEvent; None if it was settled and removed before we could read it."""
    _access: Access = field(repr=False, compare=False)

    async def settled(self, timeout: Timeout = None) -> EventStatus:  # noqa: ASYNC109
        """Wait until the event is settled, and give its status.

        Args:
            timeout: Seconds, or a timedelta. None: wait for ever.

        Raises:
            TimeoutError: it is still pending.
            EventGoneError: it was deleted before it was seen settled.

        Example:
            >>> status = await sent.settled(timeout=10)
            >>> status.phase, status.reason
            (<EventPhase.PROCESSED: 'Processed'>, 'Handled')
        """
        try:
            async with asyncio.timeout(seconds(timeout)):
                return await self._access.follow(EVENTS, self.name, self._settled)
        except TimeoutError as error:
            raise TimeoutError(
                f"Event {self.name!r} is still pending after {in_words(timeout)}; it goes on"
                " waiting."
            ) from error

    def _settled(self, event: Json | None) -> EventStatus | None:
        if event is None or event["metadata"]["uid"] != self.uid:
            raise EventGoneError(
                f"Event {self.name!r} ({self.event_name} to {self.workflow_id}) was deleted:"
                " withdrawn, or removed after it was settled."
            )
        status = EventStatus.model_validate(event.get("status", {}))
        return status if status.phase.settled else None


def event_spec(
    workflow_id: str, event_name: str, payload: object, run_uid: str | None = None
) -> EventSpec:
    """Make the spec of an event.

    Raises:
        InvalidNameError: the workflow id is none.
        NotJsonError: the payload has no JSON; names the place in it, and the type.
        TooLargeError: the payload is over 512 KiB of JSON.
        ValueError: the event name is empty or longer than 253 characters.
    """
    check_name(workflow_id, "workflow_id")
    check_text(event_name, "event_name")
    json = to_json(payload, "payload")
    check_size(json, MAX_PAYLOAD_BYTES, f"The payload of {event_name!r}")
    return EventSpec(workflow_id=workflow_id, event_name=event_name, payload=json, run_uid=run_uid)


async def send_event(access: Access, spec: EventSpec, name: str | None) -> SentEvent:
    """Create an event, once, whatever happens to the answer.

    Args:
        access: The namespace.
        spec: What to send.
        name: Name of the object; None for one of its own.

    Raises:
        EventNameTakenError: there is another event of that name.
    """
    if name is not None:
        check_name(name, "name")
    own = name or event_object_name(spec.workflow_id, spec.event_name)
    for _ in range(ROUNDS):
        created = await _create(access, spec, own)
        if created is not None or name is None:
            # A name of our own that was taken and is free again: it was ours, settled and removed.
            uid = created["metadata"]["uid"] if created else None
            return SentEvent(own, access.namespace, spec.workflow_id, spec.event_name, uid, access)
    raise EventNameTakenError(f"Others send and delete events named {own!r} at the same time.")


async def _create(access: Access, spec: EventSpec, name: str) -> Json | None:
    """Give the event of this name, new or as it was; None if it vanished while we looked."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": spec.to_json(),
    }
    try:
        return await access.create(EVENTS, body)
    except AlreadyExistsError:
        present = await access.read(EVENTS, name)
    if present is not None and not _is_same(EventSpec.model_validate(present["spec"]), spec):
        raise EventNameTakenError(
            f"There is another event named {name!r}: {present['spec']['eventName']!r} to"
            f" {present['spec']['workflowId']!r}. A name stands for one event; send this one under"
            " another name, or without one."
        )
    return present


def _is_same(present: EventSpec, spec: EventSpec) -> bool:
    """Return whether two events are one: the payload is compared as JSON, not as Python."""
    return same_json(present.to_json(), spec.to_json())
