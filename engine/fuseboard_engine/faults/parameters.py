"""The values that faults take: reading those that are given, and writing them into sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.policy_base import SomeSeconds


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a fault takes: a field of a scenario's step.

    `type` is the field's type as pydantic checks it; `description` says what the value is, with its unit. Faults that
    share a parameter share its type and default.
    """

    name: str
    type: Any
    default: float | str
    description: str

    def check(self, value: object) -> Any:
        """Return a value of the parameter. Raises ValueError if it is not one."""
        if isinstance(value, bool):
            raise ValueError(f"{self.name} ({self.description}) cannot be {value!r}: input should be a valid number")
        try:
            return TypeAdapter(self.type).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"].lower()
            raise ValueError(f"{self.name} ({self.description}) cannot be {value!r:.100}: {why}") from None


DELAY: Final = Parameter("delay", SomeSeconds, 2.0, "seconds that a call, or data on its way, takes longer")


def read_values(fault: str, parameters: Iterable[Parameter], given: object, value: object = None) -> dict[str, Any]:
    """Return the values of all parameters of a fault: those given, and the defaults of the others.

    Args:
        fault: its name, for errors.
        parameters: its parameters.
        given: values by the name of the parameter, as they come from outside; None: none.
        value: the value of the first parameter; None: not given.

    Raises:
        ValueError: the fault has no such parameter, or it cannot have such a value; the text says which there are.
    """
    known = tuple(parameters)
    names = [parameter.name for parameter in known]
    if not isinstance(given, Mapping | None):
        raise ValueError(f"values are given by name, not as {given!r:.100}")
    wanted = dict(given or {})
    if value is not None:
        if not names:
            raise ValueError(f"the fault {fault} takes no value")
        wanted.setdefault(names[0], value)
    for name in wanted:
        if name not in names:
            takes = did_you_mean(name, names, "it takes") if names else "it takes none"
            raise ValueError(f"the fault {fault} has no value {name!r:.100}; {takes}")
    return {p.name: p.check(wanted[p.name]) if p.name in wanted else p.default for p in known}


def write_values(text: str, values: Mapping[str, Any]) -> str:
    """Return a text with the values of parameters in place of their names between backticks."""
    for name, value in values.items():
        text = text.replace(f"`{name}`", f"{value:g}" if isinstance(value, float) else str(value))
    return text
