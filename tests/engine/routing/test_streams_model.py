"""Random streams, chains and readers against a slow and obvious model of what a reader must see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine import AllAdaptersFailed, RetryPolicy, StreamBroken
from fuseboard_engine.routing.stream_router import RestartMarker
from fuseboard_engine.virtual_time import run
from support.engine_world import NEVER_TRIPS, World
from support.stream_world import ScriptedStream

LIMIT = 10
HANG = 1e6
Script = list[Any]  # items, then perhaps "down" or "hang"


@dataclass
class Expected:
    """What a reader sees, how each attempt ended, and how the whole did."""

    seen: list[Any] = field(default_factory=list)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    end: str = "exhausted"


def expected(chain: dict[str, list[Script]], attempts: int, restartable: bool, stop_after: int | None) -> Expected:
    """Read a chain by the book. A reader stops after that many items of his own, markers included."""
    model, held = Expected(), 0
    for name, scripts in chain.items():
        for number in range(attempts):
            count, failed = 0, False
            for step in scripts[min(number, len(scripts) - 1)]:
                if step in ("down", "hang"):
                    failed = True
                    break
                for item in ([("restarted", name, held)] if held and not count else []) + [step]:
                    model.seen.append(item)
                    if len(model.seen) == stop_after:
                        model.outcomes.append((name, "ignored"))
                        model.end = "stopped"
                        return model
                count += 1
            held = count or held
            if not failed:
                model.outcomes.append((name, "success"))
                model.end = "read"
                return model
            model.outcomes.append((name, "failure"))
            if count and not restartable:
                model.end = "broken"
                return model
    model.end = "broken" if held else "exhausted"
    return model


scripts = st.builds(
    lambda items, end: [*items, *end],
    st.lists(st.integers(0, 9), max_size=3),
    st.sampled_from([[], ["down"], ["hang"]]),
)
chains = st.dictionaries(st.sampled_from("abc"), st.lists(scripts, min_size=1, max_size=3), min_size=1)


@settings(deadline=None)
@given(chains, st.integers(1, 3), st.booleans(), st.none() | st.integers(1, 6))
def test_a_reader_sees_what_the_model_says_and_nothing_is_left_behind(
    chain: dict[str, list[Script]], attempts: int, restartable: bool, stop_after: int | None
) -> None:
    model = expected(chain, attempts, restartable, stop_after)

    async def play() -> None:
        retry = RetryPolicy(max_attempts=attempts, attempt_timeout=LIMIT, budget_minimum=1000)
        engine = World(retry=retry, breaker=NEVER_TRIPS)
        steps = {"down": ConnectionError("down"), "hang": HANG}
        streams = {
            name: ScriptedStream(*[[steps.get(step, step) for step in script] for script in played])
            for name, played in chain.items()
        }
        for name, stream in streams.items():
            engine.add_adapter(name, stream)
        seen: list[Any] = []
        reading = engine.stream_with_fallback("task", list(chain) if stop_after else None, restartable=restartable)
        end = "read"
        try:
            async with reading:
                async for item in reading:
                    seen.append(("restarted", item.adapter, item.items) if isinstance(item, RestartMarker) else item)
                    if len(seen) == stop_after:
                        end = "stopped"
                        break
        except StreamBroken:
            end = "broken"
        except AllAdaptersFailed:
            end = "exhausted"
        assert (seen, end) == (model.seen, model.end)
        route = reading.result
        assert route is not None
        assert [(attempt.adapter, attempt.outcome) for attempt in route.attempts] == model.outcomes
        assert route.success == (end in ("read", "stopped"))
        for name, stream in streams.items():
            assert stream.started == stream.closed == sum(adapter == name for adapter, _ in model.outcomes)
            assert engine.get_adapter_statistics()[name]["in_flight"] == 0
            verdicts = [o for adapter, o in model.outcomes if adapter == name and o != "ignored"]
            assert engine.breaker(name).snapshot().calls == len(verdicts)

    run(play())
