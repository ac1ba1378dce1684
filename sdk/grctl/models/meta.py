"""Kubernetes' object metadata and conditions, as far as this project reads them."""

from typing import Literal

from pydantic import Field

from grctl.models.base import Model, Moment


class ObjectMeta(Model):
    """Standard metadata, as far as it is used here."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None
    finalizers: tuple[str, ...] = ()


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(Model):
    """One aspect of an object's state, in the form that kubectl wait, Argo CD and Flux read.

    Reconciling and Stalled are present only while they are true, as kstatus defines them.
    """

    type: str = Field(description="What is stated: Succeeded, Reconciling or Stalled.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(description="One word that says why; docs/reference/reasons.md lists all.")
    message: str = Field(default="", description="The reason for people.")
    last_transition_time: Moment = Field(description="When status changed last.")
