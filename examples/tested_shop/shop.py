"""A shop that asks a model, and another one when the first is down."""

from fuseboard import BreakerPolicy, Engine

engine = Engine("shop", breaker=BreakerPolicy(failure_threshold=3, recovery_timeout=20))


@engine.adapter("gpt")
async def ask_gpt(question: str) -> str:
    return f"gpt: {question}?"


@engine.adapter("claude")
async def ask_claude(question: str) -> str:
    return f"claude: {question}?"


async def answer(question: str) -> str:
    """Return the answer of the first model that has one."""
    return (await engine.execute_with_fallback(question)).result
