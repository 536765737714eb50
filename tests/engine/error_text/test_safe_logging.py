"""Log lines that foreign text can neither forge nor fill with secrets."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.event_log.listener import EventLog
from fuseboard_engine.events import Attempt, AttemptFailed, RouteFinished
from support.paths import ROOT

FORGED = "a\n2026-01-01 CRITICAL forged \x1b]0;x\x07\u202e\x9b"


@pytest.fixture
def lines() -> Any:
    """The text that a plain handler of all Fuseboard's loggers writes."""
    output, top = io.StringIO(), logging.getLogger("fuseboard")
    handler = logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    level = top.level
    top.addHandler(handler)
    top.setLevel(logging.DEBUG)
    yield output
    top.removeHandler(handler)
    top.setLevel(level)


async def test_no_name_of_an_adapter_task_or_type_puts_a_line_of_its_own_into_the_log(lines: io.StringIO) -> None:
    engine = Engine("s", retry=RetryPolicy(max_attempts=1), breaker=BreakerPolicy(failure_threshold=1))

    async def bad(task: Any) -> None:
        raise type(FORGED, (Exception,), {})(FORGED)

    engine.add_adapter(FORGED, bad)
    engine.add_adapter("other", bad)
    engine.set_preference([FORGED, "other"], task_type=FORGED)
    stop = engine.log_events(debug=True)
    await engine.execute_with_fallback({"id": FORGED, "type": FORGED}, context={"user": FORGED})
    await engine.execute_parallel({"id": FORGED, "type": FORGED}, [FORGED, "other"])
    engine.breaker(FORGED).force_open(actor=FORGED)
    engine.remove_adapter(FORGED)
    stop()
    text = lines.getvalue()
    assert "forged" in text
    assert all(line.split(" ")[0] in ("DEBUG", "INFO", "WARNING", "ERROR") for line in text.splitlines())
    assert text.isascii() or not set("\x1b\x07\x9b\u202e") & set(text)
    assert not set("\x1b\x07\x9b\u202e") & set(text)


@given(st.text(st.characters(codec=None)), st.integers(), st.floats())
def test_any_argument_gives_one_line(text: str, number: int, share: float) -> None:
    output, logger = io.StringIO(), get_logger("fuseboard.test_safe_logging")
    handler = logging.StreamHandler(output)
    logger.addHandler(handler)
    try:
        logger.error("%s %d %.3g %r %s", text, number, share, text, ValueError(text))
    finally:
        logger.removeHandler(handler)
    assert output.getvalue().count("\n") == 1
    output.getvalue().encode()


def test_a_traceback_in_the_log_has_no_secret(lines: io.StringIO) -> None:
    logger = get_logger("fuseboard.test_safe_logging")
    try:
        raise ValueError("postgres://app:Zq7RtY88pLmN3vKx@db/x")
    except ValueError:
        logger.exception("it failed")
    assert "Traceback" in lines.getvalue()
    assert "Zq7RtY88" not in lines.getvalue()


def test_a_traceback_in_the_log_controls_no_terminal(lines: io.StringIO) -> None:
    logger = get_logger("fuseboard.test_safe_logging")
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("it failed")
    assert "Traceback" in lines.getvalue()
    assert not set("\x1b\x07\x9b\u202e") & set(lines.getvalue())


@pytest.mark.parametrize("argument", [{"text": FORGED}, [FORGED], type("T", (), {"__str__": lambda self: FORGED})()])
def test_an_argument_of_any_type_is_made_safe(lines: io.StringIO, argument: object) -> None:
    message = "%(text)s" if isinstance(argument, dict) else "%s"
    get_logger("fuseboard.test_safe_logging").error(message, argument)
    assert lines.getvalue().count("\n") == 1
    assert not set("\x1b\x07\x9b\u202e") & set(lines.getvalue())


def test_the_structured_fields_of_an_event_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    secret = "Zq7RtY88pLmN3vKx"
    event = AttemptFailed(
        at=0, task=f"sk-{secret}", task_type=f"sk-{secret}", context={"password": secret, "user": f"sk-{secret}"},
        attempt=Attempt(adapter=f"https://app:{secret}@db", outcome="failure", error=f"Bearer {secret}"),
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG, "fuseboard"):
        log = EventLog(Registry(), debug=True)
        log(event)
        log(
            RouteFinished(
                at=0, task=event.task, task_type="t", success=False, attempts=(event.attempt,), context=event.context
            )
        )
    assert caplog.records
    assert secret not in str([record.__dict__ for record in caplog.records])


def test_every_logger_is_made_safe() -> None:
    """Modules get their loggers from `get_logger`, else a name could forge a line."""
    for package in ("engine", "storage", "console"):
        for path in (ROOT / package).rglob("*.py"):
            assert 'getLogger("fuseboard.' not in path.read_text(), path
