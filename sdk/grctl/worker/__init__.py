"""The worker: runs the handlers of workflows, and makes no API calls.

It connects out to the operator, which hands it executions; it brings back outcomes.
"""

from grctl.worker.worker import Worker

__all__ = ["Worker"]
