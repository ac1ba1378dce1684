"""A Kubernetes API in one process, for laptops and tests.

It knows nothing of workflows: schemas come from the CustomResourceDefinitions that clients post.
It is for one machine and one trusted user; beyond that the answer is Kubernetes itself.
"""

from grctl_local.server import LocalServer, PortTakenError
from grctl_local.store import StoreError

__all__ = ["LocalServer", "PortTakenError", "StoreError"]
