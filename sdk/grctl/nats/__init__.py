"""The first grctl's package of NATS connections, for an error that says what to use instead.

There is no NATS here. Clients talk to the Kubernetes API, and workers to the operator.
"""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere

NO_CONNECTION = (
    "there is no NATS. `Client()` finds the Kubernetes API as kubectl does, and"
    " `Worker(workflows=[...])` the operator by operator_url or GRCTL_OPERATOR_URL, so no"
    " Connection is made or passed"
)
NOT_PUBLISHED = (
    "there is no NATS. Send an event with client.send(workflow_id=..., event_name=...), with `grctl"
    " send`, or by creating a WorkflowEvent"
)

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__, {"Connection": NO_CONNECTION, "Publisher": NOT_PUBLISHED}
    )
