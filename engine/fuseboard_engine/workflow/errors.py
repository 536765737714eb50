"""The errors of workflows and their runs."""

from __future__ import annotations

from fuseboard_engine.errors import FuseboardError


class WorkflowError(FuseboardError, ValueError):
    """A workflow or its input is invalid; the text names the nodes. Nothing was run."""


class ResumeRefused(FuseboardError):
    """A run cannot be resumed now, or not with this workflow. Nothing was run."""


class RunInUse(ResumeRefused):
    """The run is in progress elsewhere."""


class UnknownRun(FuseboardError, KeyError):
    """No run with this id was saved."""

    def __str__(self) -> str:
        return f"there is no saved run {self.args[0]!r}"


class CheckpointsUnavailable(FuseboardError):
    """The state of a run could not be saved or read, so the run stops; `__cause__` is the reason."""
