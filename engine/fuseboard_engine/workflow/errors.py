"""What can be wrong with a workflow, or with a run of one."""

from __future__ import annotations

from fuseboard_engine.errors import FuseboardError


class WorkflowError(FuseboardError, ValueError):
    """A workflow, or what it was given, is wrong; the text names the nodes. Nothing was run."""


class ResumeRefused(FuseboardError):
    """A run cannot be resumed now, or not with this workflow. Nothing was run."""


class RunInUse(ResumeRefused):
    """Somebody is at this run."""


class UnknownRun(FuseboardError, KeyError):
    """No run of that id was saved."""

    def __str__(self) -> str:
        return f"there is no saved run {self.args[0]!r}"


class CheckpointsUnavailable(FuseboardError):
    """What a run has to remember could not be saved or read, so the run does not go on; `__cause__` says why."""
