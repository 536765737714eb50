"""The part of a scenario file that describes a step of the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

from fuseboard_engine.commands import VERBS
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.faults.table import FAULTS
from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.scenario_file.part import Part

if TYPE_CHECKING:
    FaultName = str
else:
    FaultName = Literal[*FAULTS]
    """A name in `FAULTS`."""

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    parameter.name: tuple(kind for kind, fault in FAULTS.items() if parameter in fault.parameters)
    for fault in FAULTS.values()
    for parameter in fault.parameters
}
"""The faults that take each parameter, by the parameter's name."""

if TYPE_CHECKING:
    _FaultParameters = Part
else:
    _FaultParameters = create_model(
        "_FaultParameters",
        __base__=Part,
        **{
            parameter.name: (
                parameter.type,
                Field(
                    default=parameter.default,
                    description=f"for {' and '.join(PARAMETERS[parameter.name])}: {parameter.description}",
                ),
            )
            for fault in FAULTS.values()
            for parameter in fault.parameters
        },
    )
    """A part with one field per parameter of a fault."""


class StepPart(_FaultParameters):
    """One step of the timeline: a fault begins, a fault ends, or an operator gives a command."""

    at: Seconds = Field(description="seconds from the beginning")
    say: str = Field(default="", description="text for spectators")
    fault: FaultName | None = Field(default=None, description="the fault that begins")
    heal: bool = Field(default=False, description="the fault ends")
    command: str | None = Field(default=None, description="an operator's command")
    adapter: str | None = Field(default=None, description="the adapter it applies to")
    tag: str | None = Field(default=None, description="it applies to every adapter with this tag")
    lasts: SomeSeconds | None = Field(default=None, alias="for", description="seconds that the fault lasts")
    every: SomeSeconds | None = Field(default=None, description="seconds after which it happens again, and again")
    until: Seconds | None = Field(default=None, description="when it happens for the last time; default: the end")
    seconds: Seconds | None = Field(default=None, description="for open_for: how long; default: its policy's wait")

    @property
    def values(self) -> dict[str, Any]:
        """The values of the parameters of its fault."""
        return {p.name: getattr(self, p.name) for p in FAULTS[self.fault].parameters} if self.fault else {}

    @field_validator("command")
    @classmethod
    def _check_verb(cls, command: str | None) -> str | None:
        if command is not None and command not in VERBS:
            raise ValueError(f"there is no command {command!r}; {did_you_mean(command, VERBS)}")
        return command

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum((self.fault is not None, self.heal, self.command is not None)) > 1:
            raise ValueError("a step has only one of fault, heal and command; write a step for each")
        if self.adapter is not None and self.tag is not None:
            raise ValueError("a step has only one of adapter and tag")
        if (self.fault or self.heal) and self.adapter is None and self.tag is None:
            raise ValueError("set the adapter of this step, or a tag")
        if self.command not in (None, "reset_all") and self.adapter is None and self.tag is None:
            raise ValueError(f"set the adapter to {self.command}, or a tag")
        return self
