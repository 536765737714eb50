"""The faults that can be injected into an adapter, by name.

A new fault is one entry in `FAULTS`, and its effect in `effects.py`: the fields of a scenario's step, the check of a
scenario file, the player, and what a live engine accepts are derived from that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from fuseboard_engine.faults import effects
from fuseboard_engine.faults.faulty_call import Effect, ServiceError, StreamEffect, Values
from fuseboard_engine.faults.parameters import DELAY, Parameter, read_values, write_values
from fuseboard_engine.policy_base import Count, SomeSeconds

__all__ = ["FAULTS", "Fault", "ServiceError", "Share"]

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can go wrong with an adapter.

    Attributes:
        about: what the adapter does, in a few words. A parameter's name in it stands for its value.
        apply: makes one call; returns the answer or raises the error.
        parameters: the values that it takes. The first is the one that events and commands have as `value`.
        stream: yields the items of a stream; None if a stream meets `apply` before its first item.
        label: its name in a menu; empty if that is its name.
        chosen: the arguments of the command `inject` when it is chosen from the menu: `value` and `seconds`.
    """

    about: str
    apply: Effect
    parameters: tuple[Parameter, ...] = ()
    stream: StreamEffect | None = None
    label: str = ""
    chosen: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def sentence(self, values: Values) -> str:
        """Return what the adapter does, with the values of the parameters."""
        return write_values(self.about, values)

    def value_of(self, values: Values) -> float | None:
        """Return the value of the first parameter for an event; None if it is not a number, or there is none."""
        first = values.get(self.parameters[0].name) if self.parameters else None
        return float(first) if isinstance(first, int | float) else None


_POSITIVE = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_AFTER_ITEMS = Parameter("after_items", Annotated[int, Field(ge=0, le=1_000_000)], 3, "items that still come")
_FORMS = Literal["attribute", "header", "milliseconds", "date", "none"]

FAULTS: Final[dict[str, Fault]] = {
    "refused": Fault("refuses connections", effects.refuse, label="refuse"),
    "error": Fault(
        "answers `status`",
        effects.answer_status,
        (Parameter("status", Annotated[int, Field(ge=400, le=599)], 503, "HTTP status"),),
        label="503",
    ),
    "hang": Fault("never answers", effects.hang),
    "slow": Fault(
        "takes `factor` times its latency",
        effects.slow_down,
        (Parameter("factor", _POSITIVE, 10.0, "times the usual latency"),),
        label="slow x10",
        chosen={"value": 10},
    ),
    "flaky": Fault(
        "fails at `rate`",
        effects.fail_sometimes,
        (Parameter("rate", Share, 0.5, "share of failing calls"),),
        label="flaky: half of the calls fail",
    ),
    "rate_limited": Fault(
        "answers 429 with a Retry-After of `retry_after` seconds",
        effects.limit_rate,
        (
            Parameter("retry_after", SomeSeconds, 5.0, "seconds it asks to wait"),
            Parameter("retry_after_as", _FORMS, "attribute", "attribute, header, milliseconds, date or none"),
        ),
        label="429 for 10 s",
        chosen={"value": 10, "seconds": 10},
    ),
    "credentials": Fault("answers 401", effects.refuse_credentials, label="bad credentials"),
    "soft_failure": Fault(
        "answers with a result that reports its own failure", effects.report_failure, label="soft failure"
    ),
    "corrupt": Fault("answers with JSON that ends early", effects.garble, label="corrupt answer"),
    "empty": Fault("answers with an empty body", effects.say_nothing, label="empty answer"),
    "wrong_charset": Fault("answers in another charset than it says", effects.use_wrong_charset, label="wrong charset"),
    "exception": Fault(
        "raises `exception`",
        effects.raise_exception,
        (Parameter("exception", Literal[*effects.EXCEPTIONS], "RuntimeError", "name of a built-in exception"),),
    ),
    "quota": Fault("answers that its quota is spent", effects.spend_quota, label="quota spent"),
    "context_window": Fault(
        "answers that the task is longer than its context window", effects.refuse_length, label="context window"
    ),
    "content_policy": Fault(
        "answers that its content policy refuses the task", effects.refuse_content, label="content policy"
    ),
    "delayed": Fault(
        "takes `delay` seconds longer",
        effects.delay,
        (DELAY,),
        label="2 s slower",
    ),
    "slow_ramp": Fault(
        "gets slower over `over` seconds, up to `limit` seconds a call",
        effects.grow_slow,
        (
            Parameter("limit", SomeSeconds, 5.0, "seconds that a call takes in the end"),
            Parameter("over", SomeSeconds, 30.0, "seconds until it takes so long"),
        ),
        label="slower and slower",
    ),
    "brown_out": Fault(
        "serves `capacity` calls at a time and answers 503 to others",
        effects.lose_capacity,
        (Parameter("capacity", Count, 1, "calls that it serves at a time"),),
        label="brown-out",
    ),
    "flapping": Fault(
        "refuses connections for `down_for` seconds and answers for `up_for` seconds, again and again",
        effects.flap,
        (
            Parameter("down_for", SomeSeconds, 2.0, "seconds that it refuses"),
            Parameter("up_for", SomeSeconds, 2.0, "seconds that it answers"),
        ),
    ),
    "halving": Fault(
        "fails at first, and half as often every `half_life` seconds",
        effects.recover_by_halves,
        (Parameter("half_life", SomeSeconds, 5.0, "seconds until it fails half as often"),),
        label="recovery by halves",
    ),
    "stream_broken": Fault(
        "breaks a stream off after `after_items` items, and other answers before their end",
        effects.break_off,
        (_AFTER_ITEMS,),
        stream=effects.break_stream,
        label="stream broken",
    ),
    "stream_stalled": Fault(
        "sends nothing more after `after_items` items of a stream, and no other answers",
        effects.hang,
        (_AFTER_ITEMS,),
        stream=effects.stall_stream,
        label="stream stalled",
    ),
}
"""The faults by name, in the order of menus. The name is the value of a step's `fault`."""


def values_of(fault: str, given: object, value: object = None) -> dict[str, Any]:
    """Return the values of all parameters of a fault: those given, and the defaults of the others.

    Args:
        fault: a name in `FAULTS`.
        given: values by the name of the parameter, as they come from outside; None: none.
        value: the value of the first parameter; None: not given.

    Raises:
        ValueError: the fault has no such parameter, or it cannot have such a value; the text says which there are.
    """
    return read_values(fault, FAULTS[fault].parameters, given, value)
