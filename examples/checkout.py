"""A checkout that takes payments through three HTTP services, and keeps working when one of them fails.

    python examples/checkout.py checkout.db http://127.0.0.1:8101 http://127.0.0.1:8102 http://127.0.0.1:8103

Watch it from a second terminal with `fuseboard watch checkout.db`. It needs httpx (`pip install httpx`).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from typing import Any

import httpx

from fuseboard import BreakerPolicy, Engine, RetryPolicy, record

NAMES = ("acme-pay", "beta-pay", "cash-desk")


async def pay(client: httpx.AsyncClient, url: str, task: dict[str, Any]) -> dict[str, Any]:
    """Take one payment at one service. Raise for any answer other than 2xx."""
    response = await client.post(f"{url}/pay", json=task["order"])
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


async def main(recording: str, urls: list[str]) -> None:
    """Take a payment every 50 ms until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    engine = Engine(
        name="checkout",
        breaker=BreakerPolicy(failure_threshold=5, recovery_timeout=1, max_recovery_timeout=30, success_threshold=2),
        retry=RetryPolicy(max_attempts=2, base_delay=0.05, attempt_timeout=2),
    )
    async with httpx.AsyncClient() as client:
        for name, url in zip(NAMES, urls, strict=True):
            engine.add_adapter(name, partial(pay, client, url), tags=["payment"])
        engine.set_preference(NAMES)
        async with record(engine, recording):
            print(f"recording to {recording}", flush=True)
            number = 0
            while not stop.is_set():
                number += 1
                order = {"task_id": f"order-{number}", "task_type": "payment", "order": {"amount": number % 90 + 10}}
                result = await engine.execute_with_fallback(order, deadline=5)
                if not result.success:
                    print(f"order-{number} was not paid: {result.error}", flush=True)
                try:
                    await asyncio.wait_for(stop.wait(), 0.05)
                except TimeoutError:
                    pass
    print(f"{number} orders, {engine.get_health_status()['open_breakers']} breakers open", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 + len(NAMES):
        print(
            f"usage: python {sys.argv[0]} RECORDING {' '.join(f'URL-OF-{name.upper()}' for name in NAMES)}",
            file=sys.stderr,
        )
        sys.exit(2)
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
