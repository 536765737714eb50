"""The verdict of a scenario: what happened, compared with what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field

from fuseboard_engine.events import Event, RouteFinished, State, StateChanged
from fuseboard_engine.scenario.model import Scenario


@dataclass
class Verdict:
    """The result of a scenario: counts, the states each breaker went through, and the expectations that failed.

    `changed_at` is when each breaker last changed, `unanswered_at` when the first task got no answer, and `began_at`
    when the scenario began, in UTC microseconds: failed expectations say their moments.
    """

    tasks: int = 0
    succeeded: int = 0
    failed_over: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    states: dict[str, list[State]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    changed_at: dict[str, int] = field(default_factory=dict)
    unanswered_at: int | None = None
    began_at: int = 0

    @property
    def success_rate(self) -> float | None:
        """Share of tasks that succeeded, 0..1; None without tasks."""
        return self.succeeded / self.tasks if self.tasks else None

    def observe(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, RouteFinished):
            self.tasks += 1
            self.succeeded += event.success
            if event.success:
                self.answered[event.adapter] = self.answered.get(event.adapter, 0) + 1
                self.failed_over += event.attempts[0].adapter != event.adapter
            elif self.unanswered_at is None:
                self.unanswered_at = event.at
        elif isinstance(event, StateChanged):
            self.states.setdefault(event.adapter, [event.before]).append(event.after)
            self.changed_at[event.adapter] = event.at

    def judge(self, scenario: Scenario) -> None:
        """Compare with the scenario's expectations; `broken` then names those that failed.

        A scenario in which no task ran fails, whatever it expects.
        """
        expect, share = scenario.expect, self.success_rate
        if share is None:
            self.broken.append("traffic: no task ran; raise per_second or duration")
        elif expect.success_rate is not None and share < expect.success_rate:
            self.broken.append(
                f"success_rate: {share:.1%} of {self.tasks} tasks, expected {expect.success_rate:.1%} or more; "
                f"the first without an answer {self._moment(self.unanswered_at)}"
            )
        for adapter, states in expect.states.items():
            seen = self.states.get(adapter, ["closed"])
            remaining = iter(seen)
            if not all(state in remaining for state in states):
                self.broken.append(
                    f"states.{adapter}: was {' → '.join(seen)}, expected {' → '.join(states)} within it"
                    + self._last_change(adapter)
                )
        for adapter, state in expect.end.items():
            last = self.states.get(adapter, ["closed"])[-1]
            if last != state:
                self.broken.append(f"end.{adapter}: {last}, expected {state}{self._last_change(adapter)}")
        for adapter, minimum in expect.answered.items():
            count = self.answered.get(adapter, 0)
            if count < minimum:
                self.broken.append(f"answered.{adapter}: {count} tasks, expected {minimum} or more")

    def _moment(self, at: int | None) -> str:
        return "" if at is None else f"at {(at - self.began_at) / 1e6:.1f} s"

    def _last_change(self, adapter: str) -> str:
        at = self.changed_at.get(adapter)
        return "; its state never changed" if at is None else f"; its last change {self._moment(at)}"
