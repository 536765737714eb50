"""The timeline of a scenario: changes of breakers in words, what operators did, and ends of the engine."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.commands import WITHOUT_ADAPTER
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.scenario_derivation.observation import Observation
from fuseboard_engine.scenario_derivation.one_line import OneLine
from fuseboard_engine.scenario_derivation.policies import differing

SHORTEST: float = 0.001
"""Seconds between steps that follow each other, and for which no engine runs at least."""


def timeline_of(observation: Observation, duration: float) -> list[OneLine]:
    """Return the steps until the end of a scenario, in order."""
    steps = [*_captions(observation), *_settings(observation), *_kills(observation), *_commands(observation)]
    return sorted((step for step in steps if step["at"] <= duration), key=lambda step: float(step["at"]))


def _captions(observation: Observation) -> Iterator[OneLine]:
    for change in observation.changes:
        if change.reason not in ("by_hand", "reset", "restored"):
            yield OneLine(at=_at(change.at), say=f"{change.adapter} was {change.after.replace('_', '-')}")


def _settings(observation: Observation) -> Iterator[OneLine]:
    """Yield changes of policies; those of a restarted engine before it starts."""
    restarts = {round(restart.at + restart.down, 4) for restart in observation.restarts}
    for change in observation.policies:
        kind = BreakerPolicy if change.section == "breaker" else RetryPolicy
        at = change.at - 2 * SHORTEST if round(change.at, 4) in restarts else change.at
        yield OneLine(at=_at(at), set={f"{change.adapter}.{change.section}": differing(kind, change.policy)})


def _kills(observation: Observation) -> Iterator[OneLine]:
    for restart in observation.restarts:
        down = max(SHORTEST, round(restart.down - SHORTEST, 3))
        yield OneLine(
            at=_at(restart.at + SHORTEST), kill=True, down=down, say="The engine ended, and another one started"
        )


def _commands(observation: Observation) -> Iterator[OneLine]:
    for command in dict.fromkeys(observation.commands):  # the outcome of a long one is reported twice
        step = OneLine(at=_at(command.at + SHORTEST * command.restored), command=command.verb)
        if command.verb not in WITHOUT_ADAPTER:
            if command.adapter not in observation.adapters:
                continue
            step["adapter"] = command.adapter
        if command.verb == "dlq_retry":
            step["args"] = {"all": True}
        if command.verb == "open_for" and command.seconds is not None:
            step["seconds"] = round(command.seconds, 3)
        if command.restored:
            step["say"] = f"The breaker of {command.adapter} is as the engine before left it"
        yield step


def _at(seconds: float) -> float:
    return max(0.0, round(seconds, 3))
