"""Workflows as Python functions: a workflow type and its handlers.

Importing this package imports the models and nothing else: no network library, no event loop.
"""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere
from grctl.models.directive import Directive
from grctl.workflow.handler import Handler
from grctl.workflow.query import Query
from grctl.workflow.workflow import Workflow, workflow_of

__all__ = ["Directive", "Handler", "Query", "Workflow", "workflow_of"]

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__, {"WorkflowHandle": "write `from grctl.client import WorkflowHandle`"}
    )
