"""Tests of the shop: run `pytest` in this folder, which also checks the scenario beside it."""

import asyncio

import shop

from fuseboard.testing import virtual_time


@virtual_time
async def test_claude_answers_while_gpt_is_down(faults_of):
    faults = faults_of(shop.engine)
    faults.refuse("gpt", for_=30)
    assert await shop.answer("which size") == "claude: which size?"
    await asyncio.sleep(60)  # at once
    assert await shop.answer("which size") == "gpt: which size?"
    faults.assert_states("gpt", ["closed", "open", "half_open"])


@virtual_time
async def test_slow_answers_do_not_lose_customers(world):
    world.adapter("gpt", latency={"p50": 0.5, "p99": 8})
    world.adapter("claude", latency=1)
    await world.run(per_second=5, for_=60)
    world.faults.rate_limited("gpt", retry_after=5, for_=30)
    await world.run(per_second=5, for_=60)
    world.expect(success_rate=1, failover_within={"gpt": 5}, never={"state": {"claude": "open"}})
