"""The worker: runs the handlers of workflows, without any call of the Kubernetes API.

It connects to the operator, takes executions from it, and sends their outcomes back.
"""

from grctl.worker.worker import Worker

__all__ = ["Worker"]
