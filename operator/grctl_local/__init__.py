"""A Kubernetes API in one process, for laptops and tests.

It knows nothing of workflows: schemas come from the CustomResourceDefinitions that clients create.
It serves one machine and one trusted user. For anything larger, use Kubernetes itself.

A request comes in by `wire`, is done by `verbs` to the objects in `store`, and what it may do
depends on the object's kind (`kinds`) and that kind's schema (`schema`).
"""

from grctl_local.server import LocalServer, PortTakenError
from grctl_local.store import StoreError

__all__ = ["LocalServer", "PortTakenError", "StoreError"]
