"""Workflows as Python functions: a workflow type and its handlers.

Importing this package imports the models and nothing else: no network library, no event loop.
"""

from grctl.workflow.handler import Handler
from grctl.workflow.query import Query
from grctl.workflow.workflow import Workflow, workflow_of

__all__ = ["Handler", "Query", "Workflow", "workflow_of"]
