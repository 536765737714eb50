"""What an engine does during a test, and assertions on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from fuseboard_engine.engine import Engine
from fuseboard_engine.events import Event, RouteFinished, State, StateChanged
from fuseboard_engine.scenario_file.expectation_checks import expectation_contradictions
from fuseboard_engine.scenario_file.expectations import ExpectPart
from fuseboard_engine.scenario_outcome.judge import events_to_keep, failures_of, moment
from fuseboard_engine.scenario_outcome.outcome import Outcome
from fuseboard_engine.testing.clocks import CLOCKS
from fuseboard_engine.testing.parts import make_part

CountLimit = int | Mapping[str, int]
"""A number that there must be at least, or `{"at_least": 2, "at_most": 5}`."""
ShareLimit = float | Mapping[str, float]
"""A share, 0..1, that it must be at least, or `{"at_least": 0.5, "at_most": 0.9}`."""
Moment = Mapping[str, Any]
"""A condition as in a scenario: `{"state": {"gpt": "open"}}`."""

_SHOWN: Final = 8  # chains, and adapters, of which a failed assertion tells


class EngineHistory:
    """What an engine does from now on, and assertions on it.

    Moments are seconds since virtual time began, or in real time since the history began.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events: list[Event] = []
        """The events of the engine since then."""
        self._follows = engine.wall == CLOCKS.wall
        self._began_at = None if self._follows else engine.wall()
        self._unsubscribe = engine.subscribe(self._observe)

    def _observe(self, event: Event) -> None:
        if self._began_at is None:
            self._began_at = CLOCKS.began_at or self.engine.wall()
        self.events.append(event)

    # ---------------------------------------------------------------- what happened

    def states(self, adapter: str) -> list[State]:
        """Return the states that the breaker of an adapter went through since, the first one included."""
        return [state for _, state in self.state_changes(adapter)]

    def state_changes(self, adapter: str) -> list[tuple[float, State]]:
        """Return these states, each with the moment at which it began; that of the first is 0."""
        name = self.engine.registry[adapter].name
        changes = [one for one in self.events if isinstance(one, StateChanged) and one.adapter == name]
        first = changes[0].before if changes else self.engine.breaker(name).state
        return [(0.0, first), *((self.moment_of(one), one.after) for one in changes)]

    def routes(self, task_type: str | None = None) -> list[RouteFinished]:
        """Return the routes of the tasks that ended since, of one type or of all."""
        found = (event for event in self.events if isinstance(event, RouteFinished))
        return [route for route in found if task_type is None or route.task_type == task_type]

    def answered_by(self, task_type: str | None = None) -> list[str]:
        """Return who answered each of these tasks, in order: an adapter, `degraded`, or an empty text for nobody."""
        return ["degraded" if route.degraded else route.adapter for route in self.routes(task_type)]

    def moment_of(self, event: Event) -> float:
        """Return the moment of an event."""
        return (event.at - (self._began_at or 0)) / 1e6

    # ---------------------------------------------------------------- assertions

    def assert_states(
        self, adapter: str, states: Sequence[State], *, at: Sequence[float] | None = None, within: float = 0.5
    ) -> None:
        """Assert that a breaker went through exactly these states, the first one included.

        Args:
            adapter: its adapter.
            states: the states, in order: `["closed", "open", "half_open", "closed"]`.
            at: the moments at which they began, without the first one; None: at any moment.
            within: by how many seconds such a moment may differ.

        Raises:
            AssertionError: it did not; the text says what happened.
        """
        __tracebackhide__ = True
        seen = self.state_changes(adapter)
        if [state for _, state in seen] != list(states):
            self._fail([f"{adapter} was {_states_text(seen)}; expected {' → '.join(states)}"])
        if at is None:
            return
        moments = [began for began, _ in seen[1:]]
        if len(moments) != len(at) or any(abs(one - other) > within for one, other in zip(moments, at, strict=True)):
            expected = ", ".join(f"{one:g}" for one in at)
            self._fail([f"{adapter} was {_states_text(seen)}; expected changes at {expected} s, within {within:g} s"])

    def assert_route(
        self, adapters: Sequence[str], *, type: str | None = None, between: tuple[float, float] | None = None
    ) -> None:
        """Assert that every task tried these adapters in this order, and that the last of them answered.

        Args:
            adapters: the adapters that were tried, called or not.
            type: only tasks of this type count.
            between: only tasks that end between these moments count.

        Raises:
            AssertionError: a task went another way, or none ended.
        """
        __tracebackhide__ = True
        self.expect(route=adapters, type=type, between=between)

    def assert_answered(
        self, tasks: Mapping[str, int], *, type: str | None = None, between: tuple[float, float] | None = None
    ) -> None:
        """Assert how many tasks adapters answered, exactly; see `assert_route` for the other arguments.

        Args:
            tasks: the numbers by adapter: `{"gpt": 0, "claude": 10}`.
            type: only tasks of this type count.
            between: only tasks that end between these moments count.
        """
        __tracebackhide__ = True
        self.expect(answered=_exactly(tasks), type=type, between=between)

    def assert_calls(
        self, calls: Mapping[str, int], *, type: str | None = None, between: tuple[float, float] | None = None
    ) -> None:
        """Assert how many calls adapters got, retries included, exactly.

        Args:
            calls: the numbers by adapter: `{"gpt": 3}`.
            type: only calls for tasks of this type count.
            between: only calls between these moments count.
        """
        __tracebackhide__ = True
        self.expect(calls=_exactly(calls), type=type, between=between)

    def assert_degraded(
        self, tasks: int, *, type: str | None = None, between: tuple[float, float] | None = None
    ) -> None:
        """Assert how many tasks got a degraded answer, exactly. For a share use `expect(degraded_rate=...)`.

        Args:
            tasks: the number.
            type: only tasks of this type count.
            between: only tasks that end between these moments count.
        """
        __tracebackhide__ = True
        self.expect(degraded=_equal(tasks), type=type, between=between)

    def assert_dead_letters(
        self, letters: int, *, type: str | None = None, between: tuple[float, float] | None = None
    ) -> None:
        """Assert how many tasks became dead letters, exactly.

        Args:
            letters: the number.
            type: only tasks of this type count.
            between: only tasks that became dead letters between these moments count.
        """
        __tracebackhide__ = True
        self.expect(dead_letters=_equal(letters), type=type, between=between)

    def expect(
        self,
        *,
        type: str | None = None,
        between: tuple[float, float] | None = None,
        success_rate: ShareLimit | None = None,
        degraded: CountLimit | None = None,
        degraded_rate: ShareLimit | None = None,
        answered: Mapping[str, CountLimit] | None = None,
        calls: Mapping[str, CountLimit] | None = None,
        route: Sequence[str] | None = None,
        states: Mapping[str, Sequence[State]] | None = None,
        end: Mapping[str, State] | None = None,
        failover_within: Mapping[str, float] | None = None,
        recovered_within: Mapping[str, float] | None = None,
        dead_letters: CountLimit | None = None,
        dead_letters_left: CountLimit | None = None,
        never: Moment | Sequence[Moment] | None = None,
        eventually: Moment | Sequence[Moment] | None = None,
    ) -> None:
        """Assert what a scenario expects under `expect`: the same fields, the same meaning.

        Args:
            type: only tasks of this type count.
            between: only what happens between these moments counts.
            success_rate: the share of tasks that succeed.
            degraded: the number of tasks with a degraded answer.
            degraded_rate: the share of tasks with a degraded answer.
            answered: the tasks that each adapter answers.
            calls: the calls that each adapter gets.
            route: every task tries these adapters in this order; the last one answers.
            states: states each breaker goes through, in order, others between them allowed.
            end: the state each breaker ends in.
            failover_within: seconds from a fault of the adapter until another adapter answers one of its tasks.
            recovered_within: seconds from the end of a fault of the adapter until it answers again.
            dead_letters: the number of tasks that become dead letters.
            dead_letters_left: the number of dead letters that are not resolved or discarded.
            never: what is never so.
            eventually: what is so at some moment.

        Raises:
            AssertionError: an expectation failed; the text has a line for each, and what happened.
            ValueError: an expectation contradicts itself, or names an adapter that is not there.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        __tracebackhide__ = True
        part = self._part(given)
        outcome = self._outcome(events_to_keep([part]))
        if failed := [str(failure) for failure in failures_of(part, outcome)]:
            self._fail(failed)

    def _part(self, given: Mapping[str, Any]) -> ExpectPart:
        """Return a set of expectations as a scenario has it. Raise ValueError if it cannot be one."""
        part = make_part(ExpectPart, given)
        adapters = {adapter.name: adapter for adapter in self.engine.registry}
        wrong = [
            f"{'.'.join(map(str, place[1:]))}: {text}"
            for place, text in expectation_contradictions(part.model_dump(exclude_unset=True), adapters, None)
        ]
        if wrong:
            raise ValueError("\n".join(wrong))
        return part

    def _outcome(self, keeps: Collection[type[Event]] = ()) -> Outcome:
        outcome = Outcome(self._began_at or 0, keeps=keeps)
        for event in self.events:
            outcome.observe(event)
        return outcome

    def _fail(self, failed: Sequence[str]) -> None:
        __tracebackhide__ = True
        raise AssertionError("\n".join([*failed, "What happened:", *(f"  {line}" for line in self._summary())]))

    def _summary(self) -> Iterator[str]:
        """Yield what happened, in a few lines."""
        kinds, chains = self._outcome().kinds(), Counter[str]()
        for kind, count in kinds.items():
            end = "" if kind.success else ": a degraded answer" if kind.degraded else ": no answer"
            chains[" → ".join(kind.tried or ("no adapter",)) + end] += count
        yield f"{_counted(kinds.total(), 'task')} ended"
        yield from _first(f"{_counted(count, 'task')}: {chain}" for chain, count in chains.most_common())
        yield from _first(
            f"{adapter.name} was {_states_text(changes)}"
            for adapter in self.engine.registry
            if len(changes := self.state_changes(adapter.name)) > 1
        )


def _states_text(seen: Sequence[tuple[float, State]]) -> str:
    return " → ".join([seen[0][1], *(f"{state} {moment(at)}" for at, state in seen[1:])])


def _first(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines, and the number of those that are too many."""
    every = list(lines)
    yield from every[:_SHOWN]
    if len(every) > _SHOWN:
        yield f"and {len(every) - _SHOWN} more"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _equal(count: int) -> Mapping[str, int]:
    return {"at_least": count, "at_most": count}


def _exactly(counts: Mapping[str, int]) -> Mapping[str, CountLimit]:
    return {name: _equal(count) for name, count in counts.items()}
