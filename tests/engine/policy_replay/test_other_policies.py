"""Replays under other policies: what they change, and what is suggested."""

from __future__ import annotations

from fuseboard_engine import BreakerPolicy, RetryPolicy
from fuseboard_engine.events import AdapterAdded, RouteCounts, RoutesCounted
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges
from fuseboard_engine.policy_replay.suggestion import default_settings, suggest
from support.policy_replays import Service, replay_of, workloads

PATIENT = Service(breaker=BreakerPolicy(failure_threshold=10, recovery_timeout=5.0), retry=RetryPolicy(max_attempts=1))
BACKUP = Service(down=(0.0, 0.0))
ONCE = RetryPolicy(max_attempts=1)
NEVER = BreakerPolicy(failure_threshold=None)


def test_a_lower_threshold_wastes_fewer_calls_and_notices_earlier() -> None:
    replay = replay_of({"gpt": PATIENT, "claude": BACKUP})
    recorded = replay.figures({}).adapters["gpt"]
    found = replay.figures({"gpt": PolicyChanges({"failure_threshold": 2})}).adapters["gpt"]
    assert found.wasted < recorded.wasted
    assert recorded.detect is not None
    assert found.detect is not None
    assert found.detect.seconds < recorded.detect.seconds
    assert (recorded.outages, recorded.undetected, recorded.estimated) == (1, 0, 0)


def test_a_breaker_that_never_opens_detects_nothing_and_its_calls_are_estimates() -> None:
    replay = replay_of({"gpt": PATIENT, "claude": BACKUP})
    found = replay.compare({"gpt": PolicyChanges({"failure_threshold": None})})
    gpt = found.figures.adapters["gpt"]
    assert (gpt.detect, gpt.recover, gpt.undetected, gpt.rejections) == (None, None, 1, 0)
    assert gpt.estimated > 10
    assert found.bounds.low <= found.figures.success.low


def test_a_shorter_wait_recovers_earlier_and_rejects_less() -> None:
    replay = replay_of({"gpt": PATIENT, "claude": BACKUP}, seed=4)
    recorded = replay.figures({}).adapters["gpt"]
    found = replay.figures({"gpt": PolicyChanges({"recovery_timeout": 0.2, "success_threshold": 1})}).adapters["gpt"]
    assert recorded.recover is not None
    assert found.recover is not None
    assert found.recover.seconds < recorded.recover.seconds
    assert found.lost < recorded.lost


def test_more_attempts_on_a_flaky_service_answer_more_tasks() -> None:
    flaky = Service((0.0, 40.0), "flaky", breaker=NEVER, retry=ONCE)
    replay = replay_of({"gpt": flaky})
    once = replay.figures({})
    thrice = replay.figures({"gpt": PolicyChanges(retry={"max_attempts": 3})})
    assert thrice.answered > once.answered
    assert thrice.p99 > once.p99


def test_a_shorter_time_limit_cuts_the_latency_of_a_slow_service() -> None:
    slow = Service((10.0, 30.0), "slow", breaker=NEVER, retry=ONCE)
    replay = replay_of({"gpt": slow, "claude": BACKUP})
    found = replay.figures({"gpt": PolicyChanges(retry={"attempt_timeout": 0.5})})
    assert found.p99 < replay.figures({}).p99
    assert found.adapters["gpt"].failed > 0


def test_an_adapter_that_was_never_called_is_taken_as_unavailable() -> None:
    replay = replay_of({"gpt": Service(down=(0.0, 0.0)), "claude": BACKUP})
    assert replay.figures({}).adapters["claude"].calls == 0
    down = replay_of({"gpt": PATIENT, "claude": BACKUP}).figures({})
    assert down.adapters["claude"].unknown == 0


def test_routes_that_are_only_counted_are_spread_over_their_time() -> None:
    counts = {"gpt": RouteCounts(calls=100, busy=10.0, latency={-26: 100})}
    events = [
        AdapterAdded(at=0, adapter="gpt", policy={}),
        RoutesCounted(at=10_000_000, since=0, adapters=counts, types={"": 100}),
    ]
    (load,) = workloads(events)
    assert (load.attempts, load.counted, len(load.tasks)) == (100, 100, 100)
    gaps = {round(two.at - one.at, 6) for one, two in zip(load.tasks[2:], load.tasks[3:], strict=False)}
    assert gaps == {0.1}
    assert PolicyReplay([load]).figures({}).answered == 100


def test_a_better_policy_is_suggested_with_its_reason_in_one_sentence() -> None:
    replay = replay_of({"gpt": PATIENT, "claude": BACKUP})
    adapters = replay.loads[0].adapters
    settings = {name: default_settings(record) for name, record in adapters.items()}
    found, chosen = suggest(replay, adapters, settings)
    assert [one.adapter for one in found] == ["gpt", "claude"]
    assert found[0].sentence.startswith(
        "gpt: failure_threshold 5 instead of 10 and recovery_timeout 2 instead of 5, because "
    )
    assert "wasted calls instead of" in found[0].sentence
    assert found[1].sentence == "claude: keep its policy, because no call of it failed."
    assert {setting.adapter for setting, _ in chosen} == {"gpt"}


def test_a_policy_that_serves_well_is_kept() -> None:
    quick = Service((10.0, 10.2), breaker=BreakerPolicy(failure_threshold=2, recovery_timeout=0.5))
    replay = replay_of({"gpt": quick}, rate=2.0)
    adapters = replay.loads[0].adapters
    found, chosen = suggest(replay, adapters, {"gpt": default_settings(adapters["gpt"])})
    assert chosen == ()
    assert found[0].sentence.startswith("gpt: keep its policy")
