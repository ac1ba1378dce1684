"""Counts: what the operator has done since it started. Metrics and probes read it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Each begins at 0 and only grows."""

    reconciles: int = 0
    """Decisions made."""
    commits: int = 0
    """Status writes that moved `commits`."""
    views: int = 0
    """Status writes that were only for people."""
    conflicts: int = 0
    """Writes that another's write came before (409)."""
    failures: int = 0
    """Reconciles that raised anything else."""
    settled: int = 0
    """Events whose final status was written."""
    announced: int = 0
    """Core Events written."""
