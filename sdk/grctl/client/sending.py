"""Sending an event: one create, under a name that is chosen before the first try.

1. The name is the idempotency key: a create that is repeated under it cannot send twice.
2. If an event of the name exists, it is compared: the same event counts as sent, another one is an
   error.
3. Sent means that the API server has accepted it; from then on it is never lost.
"""

import asyncio
from dataclasses import dataclass, field

from grctl.client.access import Access, Json
from grctl.client.errors import EventGoneError, EventNameTakenError
from grctl.client.names import check_name, check_text, event_object_name
from grctl.client.reading import read_event
from grctl.client.timeouts import Timeout, in_words, seconds
from grctl.json.equality import same_json
from grctl.json.serialization import check_size, to_json
from grctl.kube import EVENTS, AlreadyExistsError
from grctl.models.base import API_VERSION
from grctl.models.event import EventSpec, EventStatus
from grctl.models.limits import MAX_PAYLOAD_BYTES

MAX_ROUNDS_PER_SEND = 5  # each finds the name taken by an event that is gone when it is read


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
        """Wait until the event is settled. Return its status.

        Args:
            timeout: Seconds, or a timedelta. None: wait for ever.

        Raises:
            TimeoutError: it is still pending.
            EventGoneError: it was deleted before it was seen settled.
            UnreadableObjectError: it cannot be read.

        Example:
            >>> status = await sent.settled(timeout=10)
            >>> status.phase, status.reason
            (<EventPhase.PROCESSED: 'Processed'>, 'Handled')
        """
        try:
            async with asyncio.timeout(seconds(timeout)):
                return await self._access.follow(EVENTS, self.name, self._status_if_settled)
        except TimeoutError as error:
            raise TimeoutError(
                f"Event {self.name!r} is still pending after {in_words(timeout)}; it goes on"
                " waiting."
            ) from error

    def _status_if_settled(self, event: Json | None) -> EventStatus | None:
        if event is None or event["metadata"]["uid"] != self.uid:
            raise EventGoneError(
                f"Event {self.name!r} ({self.event_name} to {self.workflow_id}) was deleted:"
                " withdrawn, or removed after it was settled."
            )
        status = read_event(event).status
        return status if status.phase.settled else None


def event_spec(
    workflow_id: str, event_name: str, payload: object, run_uid: str | None = None
) -> EventSpec:
    """Return the spec of an event.

    Raises:
        InvalidNameError: the workflow id is not a valid name.
        NotJsonError: the payload has no JSON; the message names the place in it, and the type.
        TooLargeError: the payload is over 512 KiB of JSON.
        ValueError: the event name is empty or longer than 253 characters.
    """
    check_name(workflow_id, "workflow_id")
    check_text(event_name, "event_name")
    json = to_json(payload, "payload")
    check_size(json, MAX_PAYLOAD_BYTES, f"The payload of {event_name!r}")
    return EventSpec(workflow_id=workflow_id, event_name=event_name, payload=json, run_uid=run_uid)


async def send_event(access: Access, spec: EventSpec, name: str | None) -> SentEvent:
    """Create an event exactly once, also if the answer is lost.

    Args:
        access: The namespace.
        spec: What to send.
        name: Name of the object; None to choose one.

    Raises:
        EventNameTakenError: there is another event of that name.
    """
    if name is not None:
        check_name(name, "name")
    chosen = name or event_object_name(spec.workflow_id, spec.event_name)
    for _ in range(MAX_ROUNDS_PER_SEND):
        created = await _create(access, spec, chosen)
        if created is not None or name is None:
            # A name that we chose, was taken and is free again: our event was settled and removed.
            uid = created["metadata"]["uid"] if created else None
            return SentEvent(
                chosen, access.namespace, spec.workflow_id, spec.event_name, uid, access
            )
    raise EventNameTakenError(f"Others send and delete events named {chosen!r} at the same time.")


async def _create(access: Access, spec: EventSpec, name: str) -> Json | None:
    """Return the event of this name, new or present; None if it vanished before it was read."""
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
    if present is not None and not _is_same(read_event(present).spec, spec):
        raise EventNameTakenError(
            f"There is another event named {name!r}: {present['spec']['eventName']!r} to"
            f" {present['spec']['workflowId']!r}. A name stands for one event; send this one under"
            " another name, or without one."
        )
    return present


def _is_same(present: EventSpec, spec: EventSpec) -> bool:
    """Whether two specs are the same JSON. Python calls 1 and True equal, which JSON does not."""
    return same_json(present.to_json(), spec.to_json())
