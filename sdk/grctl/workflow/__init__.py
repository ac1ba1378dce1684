"""Workflows as Python functions: a type, and the handlers that make it up.

Importing this package costs nothing but the models: no network library, no event loop.
"""

from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow, workflow_of

__all__ = ["Handler", "Workflow", "workflow_of"]
