"""What no event holds: secrets, bodies of HTTP responses, texts without end."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuseboard_engine import (
    BreakerPolicy,
    CircuitBreaker,
    CircuitOpen,
    DeadLetterPolicy,
    Engine,
    HealthPolicy,
    RetryPolicy,
    guard,
)
from fuseboard_engine.error_text.provider_messages import NO_MESSAGE, message_of
from fuseboard_engine.error_text.redaction import HIDDEN, MAX_BYTES, hide_secrets, safe_error_text
from fuseboard_engine.errors import describe, text_of
from fuseboard_engine.events import HealthChecked
from support.waiting import PATIENCE

SECRET = "Zq7RtY88pLmN3vKx"
LEAKS = (
    f"Incorrect API key provided: sk-{SECRET}",
    f"Incorrect API key provided: {SECRET}. You can find your key at https://platform.test",
    f"sk-ant-api03-{SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"Authorization: ApiKey {SECRET}",
    f"authorization: {SECRET}",
    f"{{'Authorization': 'Token {SECRET}'}}",
    f"bearer  {SECRET}",
    f"postgres://app:{SECRET}@db:5432/x",
    f"amqp://app:pa/ss@{SECRET}@mq:5672/x",
    f"redis://:{SECRET}@cache:6379/0",
    f"password={SECRET}",
    f"PASSWORD = b'{SECRET}'",
    f"Cookie: theme=dark; session={SECRET}; x=y",
    f"set-cookie: id={SECRET}; HttpOnly",
    f"?api_key={SECRET}&x=1",
    f"?X-Amz-Signature={SECRET}",
    f"api key: {SECRET}",
    f"ya29.{SECRET}",
    f"gsk_{SECRET}{SECRET}",
    f"İ password={SECRET}",  # its lower case is longer
)


class ServiceError(Exception):
    status_code = 500


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    for padded in (text, f"x {text}", f"a\n{text}\nb", json.dumps({"error": text}), "é" * 4000 + " " + text):
        assert SECRET not in hide_secrets(padded)
        assert HIDDEN in hide_secrets(padded)
        assert SECRET not in safe_error_text(padded)


@pytest.mark.parametrize("text", LEAKS)
@pytest.mark.parametrize("before", range(MAX_BYTES - 60, MAX_BYTES + 20, 7))
def test_a_secret_at_the_limit_is_hidden_too(text: str, before: int) -> None:
    safe = safe_error_text("x" * (before - 1) + " " + text + " " + "y" * 30_000)
    assert not any(SECRET[at : at + 8] in safe for at in range(len(SECRET) - 8))
    assert len(safe.encode()) <= MAX_BYTES


@pytest.mark.parametrize("text", LEAKS)
def test_hiding_secrets_is_idempotent(text: str) -> None:
    once = hide_secrets(f"x {text} y")
    assert hide_secrets(once) == once


@given(st.text(st.characters(codec=None), max_size=200))
@example("\ud800 half")
def test_any_text_becomes_one_that_can_be_stored(text: str) -> None:
    safe = safe_error_text(text)
    assert len(safe.encode()) <= MAX_BYTES
    assert safe_error_text(text) == safe
    if not set("=:@-_.") & set(text) and "".join(text).isascii():
        assert HIDDEN not in safe or " " in text


@pytest.mark.parametrize("character", ["x", "é", "😀", "\ud800", "\0"])
@pytest.mark.parametrize("length", [2_000, 8_001, 100_000, 1_000_000])
def test_a_long_text_is_cut_and_says_so(character: str, length: int) -> None:
    safe = safe_error_text(character * length)
    assert len(safe.encode()) <= MAX_BYTES
    if length > 8_000:
        assert safe.endswith(f"… [cut; {length:,} characters in all]")


def test_a_hostile_text_takes_little_time() -> None:
    for unit in (
        "password",
        "a://b:",
        "authorization: ",
        "key ",
        "{'message': '",
        "-----BEGIN PRIVATE KEY-----",
        "://@",
    ):
        began = time.perf_counter()
        safe_error_text(unit * 200_000)
        assert time.perf_counter() - began < 20, unit  # a pattern that backtracks takes hours


# ------------------------------------------------------------------ every event


def events_of(engine: Engine) -> list[Any]:
    found: list[Any] = []
    engine.subscribe(found.append)
    return found


async def test_no_event_result_letter_or_snapshot_holds_what_an_error_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = f"refused: Authorization: Bearer {SECRET}, postgres://u:{SECRET}@db/x, sk-{SECRET}"

    async def bad(task: Any) -> None:
        raise ValueError(text)

    class Sick:
        async def execute(self, task: Any) -> None:
            raise ConnectionError(text)

        async def check(self) -> dict[str, str]:
            return {"status": "unhealthy", "detail": text}

    def listener(event: Any) -> None:
        raise RuntimeError(text)

    engine = Engine(
        "e",
        retry=RetryPolicy(max_attempts=2, base_delay=0),
        breaker=BreakerPolicy(failure_threshold=2),
        dead_letters=DeadLetterPolicy(automatic_retry=False),
        health=HealthPolicy(interval=0.05),
    )
    engine.add_adapter("bad", bad)
    sick = Sick()
    engine.add_adapter("sick", sick.execute, health=sick.check)
    engine.add_adapter("soft", lambda task: {"success": False, "error": text})
    found = events_of(engine)
    engine.subscribe(listener)
    stop = engine.log_events(debug=True)
    async with engine:
        for _ in range(3):
            result = await engine.execute_with_fallback({"n": 1}, ["bad", "sick", "soft"])
            parallel = await engine.execute_parallel({"n": 1}, ["bad", "sick", "soft"])
            assert SECRET not in f"{result.error}{result.attempts}{parallel.error}{parallel.attempts}"
        async with asyncio.timeout(PATIENCE):
            while not any(isinstance(event, HealthChecked) for event in found):
                await asyncio.sleep(0.01)
        letters = await engine.dead_letters.find()
        assert letters and SECRET not in repr(letters)
        assert SECRET not in repr(engine.breaker("bad").snapshot())
    stop()
    assert SECRET not in repr(found)
    assert HIDDEN in repr(found)
    assert SECRET not in caplog.text


async def test_a_breaker_alone_shows_no_secret() -> None:
    breaker = CircuitBreaker("db", BreakerPolicy(failure_threshold=2))

    @guard(breaker)
    async def call() -> None:
        raise ValueError(f"postgres://u:{SECRET}@db/x " + "x" * 100_000)

    for _ in range(2):
        with pytest.raises(ValueError, match=SECRET):
            await call()
        assert SECRET not in breaker.snapshot().last_error
        assert len(breaker.snapshot().last_error.encode()) <= MAX_BYTES
    with pytest.raises(CircuitOpen) as refused:
        await call()
    assert SECRET not in str(refused.value)
    assert HIDDEN in str(refused.value)


# ------------------------------------------------------------------ bodies of HTTP responses

BODIES = [
    (
        '{"error": {"message": "no such model", "code": "model_not_found", "x": "PROMPT"}}',
        "no such model (model_not_found)",
    ),
    ('{"message": "quota", "request": {"prompt": "PROMPT"}}', "quota"),
    ('{"detail": [{"loc": ["body", "n"], "msg": "field required", "input": "PROMPT"}]}', "body.n: field required"),
    ('{"error": "invalid_grant", "error_description": "PROMPT"}', "invalid_grant"),
    ('{"errors": [{"message": "one"}, {"message": "two"}], "data": "PROMPT"}', "one; two"),
    ('{"prompt": "PROMPT"}', NO_MESSAGE),
    ('[{"error": {"code": 429, "message": "slow down", "status": "EXHAUSTED"}}]', "slow down (EXHAUSTED)"),
    ('{"error": {"message": "cut \\"here\\"", "prompt": "PROMPT PROM', 'cut \\"here\\"'),
    ("<!DOCTYPE html><html><title>502 Bad\nGateway</title>PROMPT", "502 Bad Gateway"),
    ('{"error": {"code": "content_filter"}}', "content_filter"),
    ("<html>PROMPT", NO_MESSAGE),
    ("upstream connect error", "upstream connect error"),
    ("{'error': {'message': 'as a dict', 'x': 'PROMPT'}}", "as a dict"),
    ("", ""),
    ("[{" * 50_000, NO_MESSAGE),
    ("{'a':" * 10_000, NO_MESSAGE),
]


@pytest.mark.parametrize(("body", "message"), BODIES, ids=range(len(BODIES)))
def test_an_error_body_has_its_message_extracted(body: str, message: str) -> None:
    assert message_of(body) == message


@given(st.text(max_size=300))
def test_any_body_has_a_message_or_none(body: str) -> None:
    message_of(body)
    message_of("{" + body)
    message_of("<html>" + body)


def test_errors_of_client_libraries_are_cut_to_the_providers_message() -> None:
    class OpenAiLike(Exception):
        status_code = 400
        body: ClassVar[Any] = {"message": "too long", "code": "context_length_exceeded", "prompt": "PROMPT"}

    class CohereLike(Exception):
        status_code = 429
        body: ClassVar[Any] = {"message": "trial key"}

        def __str__(self) -> str:
            return f"headers: {{'set-cookie': 'PROMPT'}}, status_code: 429, body: {self.body}"

    text = "Error code: 400 - {'error': {'message': 'too long', 'prompt': 'PROMPT'}}"
    assert text_of(OpenAiLike(text)) == "Error code: 400 - too long (context_length_exceeded)"
    assert text_of(CohereLike()) == "trial key"
    assert text_of(ServiceError('internal error; request was: {"prompt": "PROMPT"}')) == (
        f"internal error; request was: {NO_MESSAGE}"
    )
    assert describe(ServiceError("bad value {x} in <field>")) == "ServiceError: bad value {x} in <field>"
    assert text_of(ValueError('{"prompt": "kept: no HTTP error"}')) == '{"prompt": "kept: no HTTP error"}'
