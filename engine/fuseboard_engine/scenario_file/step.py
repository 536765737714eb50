"""The part of a scenario file that describes a step of the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

from fuseboard_engine.commands import VERBS, WITHOUT_ADAPTER
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.faults.table import FAULTS
from fuseboard_engine.network_faults.table import NETWORK_FAULTS
from fuseboard_engine.policy_base import Seconds, SomeSeconds
from fuseboard_engine.scenario_file.part import JsonData, Part
from fuseboard_engine.scenario_file.traffic import Rate

if TYPE_CHECKING:
    FaultName = str
    AnyFaultName = str
else:
    FaultName = Literal[*FAULTS]
    """A name in `FAULTS`."""
    AnyFaultName = Literal[*dict.fromkeys((*FAULTS, *NETWORK_FAULTS))]
    """A name in `FAULTS` or in `NETWORK_FAULTS`."""

_PARAMETERS: Final = (
    *((kind, parameter) for kind, fault in FAULTS.items() for parameter in fault.parameters),
    *((kind, parameter) for kind, fault in NETWORK_FAULTS.items() for parameter in fault.parameters),
)

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    parameter.name: tuple(kind for kind, other in _PARAMETERS if other == parameter) for _, parameter in _PARAMETERS
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
            for _, parameter in _PARAMETERS
        },
    )
    """A part with one field per parameter of a fault."""


CHANGES_OF_LETTERS: Final = ("dlq_archive", "dlq_unarchive", "dlq_discard", "dlq_purge")
"""The commands on dead letters that an operator gives to the store, and a scenario to its engine."""
COMMANDS: Final = (*VERBS, *CHANGES_OF_LETTERS)
"""The commands of a scenario."""
COMMANDS_WITHOUT_ADAPTER: Final = (*WITHOUT_ADAPTER, *CHANGES_OF_LETTERS)
"""The commands of a scenario that do not concern one adapter."""


class StepPart(_FaultParameters):
    """One step of the timeline: a fault begins or ends, an operator gives a command, traffic or settings change."""

    at: Seconds = Field(description="seconds from the beginning")
    say: str = Field(default="", description="text for spectators")
    fault: AnyFaultName | None = Field(default=None, description="the fault that begins")
    heal: bool = Field(default=False, description="the fault ends")
    command: str | None = Field(default=None, description="an operator's command")
    adapter: str | None = Field(default=None, description="the adapter it applies to")
    tag: str | None = Field(default=None, description="it applies to every adapter with this tag")
    proxy: str | None = Field(default=None, description="the proxy whose connections it applies to")
    engine: str | None = Field(default=None, description="the engine it applies to; default: all")
    lasts: SomeSeconds | None = Field(default=None, alias="for", description="seconds that the fault lasts")
    every: SomeSeconds | None = Field(default=None, description="seconds after which it happens again, and again")
    until: Seconds | None = Field(default=None, description="when it happens for the last time; default: the end")
    args: dict[str, JsonData] = Field(default={}, description="further arguments of the command")
    operator: bool = Field(
        default=False, description="an operator is asked for the command, and has the seconds of `for` to give it"
    )
    set: dict[str, Any] = Field(default={}, description="settings of the engine that change: values by path")
    traffic: str | None = Field(default=None, description="the name of the stream of tasks that changes")
    per_second: Rate | None = Field(default=None, description="for traffic: tasks a second from now on")
    paused: bool | None = Field(default=None, description="for traffic: whether it stops, or goes on")
    kill: bool = Field(default=False, description="the engine is killed, and starts again without its memory")
    down: SomeSeconds = Field(default=1.0, description="for kill: seconds until it starts again")
    seconds: Seconds | None = Field(default=None, description="for open_for: how long; default: its policy's wait")

    @property
    def concerns_engines(self) -> bool:
        """Whether it happens in an engine, and neither to the traffic nor to a proxy."""
        return self.proxy is None and bool(self.fault or self.heal or self.command or self.set or self.kill)

    @property
    def values(self) -> dict[str, Any]:
        """The values of the parameters of its fault."""
        if self.fault is None:
            return {}
        found = FAULTS[self.fault] if self.proxy is None else NETWORK_FAULTS[self.fault]
        return {parameter.name: getattr(self, parameter.name) for parameter in found.parameters}

    def ends_fault_of(self, adapter: str | None, engine: str | None, proxy: str | None = None) -> bool:
        """Return whether a fault of an engine's adapter, or of a proxy, ends here: it is healed or gets another one."""
        same = (self.adapter, self.engine, self.proxy) == (adapter, engine, proxy)
        return same and (self.heal or self.fault is not None)

    @field_validator("command")
    @classmethod
    def _check_verb(cls, command: str | None) -> str | None:
        if command is not None and command not in COMMANDS:
            raise ValueError(f"there is no command {command!r}; {did_you_mean(command, COMMANDS)}")
        return command

    @model_validator(mode="after")
    def _check(self) -> Self:
        acts = (self.fault, self.heal, self.command, self.set, self.traffic is not None, self.kill)
        if sum(map(bool, acts)) > 1:
            raise ValueError("a step has only one of fault, heal, command, set, traffic and kill; write several")
        if self.traffic is not None and self.per_second is None and self.paused is None:
            raise ValueError("set what changes: per_second or paused")
        if self.operator and self.command is None:
            raise ValueError("an operator needs a command to give")
        if self.adapter is not None and self.tag is not None:
            raise ValueError("a step has only one of adapter and tag")
        if self.proxy is not None:
            self._check_proxy()
        elif (self.fault or self.heal) and self.adapter is None and self.tag is None:
            raise ValueError("set the adapter of this step, or a tag")
        elif self.fault is not None and self.fault not in FAULTS:
            raise ValueError(f"{self.fault} is a fault of the network: name a proxy in place of an adapter")
        if self.command not in (None, *COMMANDS_WITHOUT_ADAPTER) and self.adapter is None and self.tag is None:
            raise ValueError(f"set the adapter to {self.command}, or a tag")
        return self

    def _check_proxy(self) -> None:
        if self.adapter is not None or self.tag is not None or self.engine is not None:
            raise ValueError("a step has only one of proxy, adapter and tag, and a proxy belongs to no engine")
        if not self.fault and not self.heal:
            raise ValueError("a proxy only has faults: write fault or heal")
        if self.fault is not None and self.fault not in NETWORK_FAULTS:
            raise ValueError(f"a proxy has no fault {self.fault!r}; {did_you_mean(self.fault, NETWORK_FAULTS)}")
