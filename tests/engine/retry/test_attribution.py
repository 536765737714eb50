"""The attribution table: what each error counts against, row by row, whichever library raised it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError

import pytest

from fuseboard_engine import (
    DEFAULT_TABLE,
    AttemptTimeout,
    CallerError,
    CircuitOpen,
    DeadlineExceeded,
    Rule,
    SoftFailure,
)
from fuseboard_engine.retry.attribution import Table, retry_after_of, soft_failure_of, status_of
from support.engine_world import HttpError, HttpResponse, World, virtual

TABLE = Table()


class AiohttpError(Exception):
    """As aiohttp's ClientResponseError: status and headers are on the error itself."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}, message={message!r}")
        self.status = status
        self.headers = headers


class OpenAiError(Exception):
    """As openai's APIStatusError: a status, a code and a response."""

    def __init__(self, status_code: int, code: str | None = None, text: str = "") -> None:
        super().__init__(text)
        self.status_code = status_code
        self.code = code
        self.response = HttpResponse(status_code, {})


def named(name: str, *bases: type[BaseException]) -> Exception:
    """An error of a library that is not installed, known by the name of its base."""
    base = type(name, bases or (Exception,), {})
    return type("Specific", (base,), {})("odd")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "row"),
    [
        (HttpError(500), "server"),
        (AiohttpError(502), "server"),
        (OpenAiError(503), "server"),
        (HttpError(599), "server"),
        (HttpError(408), "server"),
        (ConnectionRefusedError("refused"), "connection"),
        (ConnectionResetError("reset"), "connection"),
        (OSError(-2, "Name or service not known"), "connection"),
        (named("TransportError"), "connection"),  # httpx
        (named("ClientConnectionError"), "connection"),  # aiohttp
        (named("APIConnectionError"), "connection"),  # openai
        (AttemptTimeout("a", 1), "timeout"),
        (TimeoutError("slow"), "timeout"),
        (named("TimeoutException"), "timeout"),  # httpx
        (HttpError(429), "rate_limited"),
        (AiohttpError(429), "rate_limited"),
        (OpenAiError(429, "rate_limit_exceeded"), "rate_limited"),
        (HttpError(401), "credentials"),
        (HttpError(403), "credentials"),
        (OpenAiError(404, "model_not_found"), "adapter_missing"),
        (HttpError(404, "deployment gpt-x does not exist"), "adapter_missing"),
        (HttpError(404, "no such customer"), "caller"),
        (HttpError(400), "caller"),
        (AiohttpError(422), "caller"),
        (HttpError(413), "caller"),
        (CallerError("the task names no file"), "caller"),
        (OpenAiError(400, "context_length_exceeded"), "context_window"),
        (HttpError(400, "maximum context length is 8192 tokens"), "context_window"),
        (OpenAiError(400, "content_policy_violation"), "content_policy"),
        (SoftFailure("no"), "soft_failure"),
        (DeadlineExceeded("late"), "deadline"),
        (CircuitOpen("a", 1.0, "open"), "rejected"),
        (RuntimeError("the context window of the desktop was closed"), "error"),
        (KeyError("bug"), "error"),
        (ExceptionGroup("several", [ValueError()]), "error"),
    ],
)
def test_each_error_is_attributed_by_its_row(error: Exception, row: str) -> None:
    assert TABLE.attribute(error).name == row
    assert TABLE.attribute(error).name == row  # and again, from memory


@pytest.mark.parametrize(
    ("row", "counts", "retry", "failover"),
    [
        ("server", True, True, True),
        ("connection", True, True, True),
        ("timeout", True, True, True),
        ("soft_failure", True, True, True),
        ("error", True, True, True),
        ("rate_limited", True, True, True),
        ("credentials", True, False, True),
        ("adapter_missing", True, False, True),
        ("caller", False, False, False),
        ("context_window", False, False, True),
        ("content_policy", False, False, True),
        ("deadline", False, False, False),
        ("rejected", False, False, True),
        ("quota", True, False, True),
        ("local", False, True, True),
        ("locked", False, True, True),
    ],
)
def test_each_attribution_row_has_the_designed_values(row: str, counts: bool, retry: bool, failover: bool) -> None:
    for rule in (rule for rule in DEFAULT_TABLE if rule.name == row):
        assert (rule.counts, rule.retry, rule.failover) == (counts, retry, failover)
        assert rule.reason
        assert rule.opens is (row in ("rate_limited", "quota", "credentials"))
        assert rule.only_handlers is (row in ("context_window", "content_policy"))
    assert row in {rule.name for rule in DEFAULT_TABLE}


def test_the_page_lists_the_rows_as_they_are() -> None:
    page = (Path(__file__).parents[3] / "docs" / "embedding.md").read_text()
    lines = page.partition("## Failure attribution")[2].partition("\n## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    listed = {
        name.strip("`"): (cell[2] != "no", cell[3] != "no", cell[4] != "no")
        for cell in cells
        for name in cell[0].split(", ")
    }
    assert listed == {rule.name: (rule.counts, rule.retry, rule.failover) for rule in DEFAULT_TABLE}


@dataclass
class Case:
    error: Exception
    calls: int  # of the first of two adapters, by default three attempts each
    answered_by: str | None
    counted: int


@virtual
@pytest.mark.parametrize(
    "case",
    [
        Case(HttpError(500), 3, "b", 3),
        Case(ConnectionRefusedError(), 3, "b", 3),
        Case(HttpError(401), 1, "b", 1),
        Case(HttpError(404, "model gone"), 1, "b", 1),
        Case(HttpError(400), 1, None, 0),
        Case(HttpError(404, "no such customer"), 1, None, 0),
        Case(CallerError("wrong"), 1, None, 0),
        Case(HttpError(400, "maximum context length"), 1, None, 0),
        Case(RuntimeError("bug"), 3, "b", 3),
    ],
    ids=lambda case: f"{type(case.error).__name__} {case.error}",
)
async def test_the_router_follows_the_attribution_row(case: Case) -> None:
    engine = World()
    a = engine.script("a", case.error)
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert len(a.calls) == case.calls
    assert route.adapter == case.answered_by
    assert engine.breaker("a").failures == case.counted
    if case.answered_by is None:
        assert route.exception is case.error


@virtual
async def test_an_error_that_no_adapter_caused_is_not_a_failure_in_the_statistics() -> None:
    engine = World()
    engine.script("a", "fine", HttpError(400))
    await engine.execute_with_fallback("good task")
    await engine.execute_with_fallback("bad task")
    statistics = engine.get_adapter_statistics()["a"]
    assert (statistics["failures"], statistics["success_rate"], statistics["calls"]) == (0, 1.0, 2)


@virtual
async def test_a_task_too_long_goes_only_to_adapters_that_say_they_handle_it() -> None:
    engine = World()
    engine.script("small", HttpError(400, "maximum context length is 8192"))
    plain = engine.script("plain", "from plain")
    engine.script("large", "from large", handles=["context_window"])
    route = await engine.execute_with_fallback("a long task")
    assert route.adapter == "large"
    assert plain.calls == []
    assert route.skipped == {"plain": "it does not handle context_window"}
    assert engine.breaker("small").snapshot().failed == 0


@virtual
async def test_the_caller_gets_the_adapters_error_if_no_adapter_handles_the_task() -> None:
    engine = World()
    refusal = HttpError(400, "blocked by content policy")
    engine.script("a", refusal)
    engine.script("b", "from b", handles=["context_window"])
    route = await engine.execute_with_fallback("task")
    assert not route.success
    assert route.exception is refusal


# ------------------------------------------------------------------ rows of one's own


class QuotaSpent(Exception):
    pass


@virtual
async def test_a_row_in_front_of_the_table_applies_first_and_is_in_the_event() -> None:
    own = Rule(name="quota", reason="the month's quota is spent", errors=(QuotaSpent,), counts=False, retry=False)
    engine = World(table=(own, *DEFAULT_TABLE))
    engine.script("a", QuotaSpent("0 left"))
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, route.total_attempts) == ("b", 2)
    assert route.attempts[0].rule == "quota"
    assert route.attempts[0].why == "the month's quota is spent"
    assert engine.breaker("a").failures == 0


def test_a_row_may_test_the_error_itself() -> None:
    own = Rule(name="odd", reason="odd", when=lambda error: "teapot" in str(error))
    table = Table((own, *DEFAULT_TABLE))
    assert table.attribute(ValueError("I am a teapot")).name == "odd"
    assert table.attribute(ValueError("I am a kettle")).name == "error"


def test_a_row_whose_test_raises_is_passed_over() -> None:
    own = Rule(name="broken", reason="broken", when=lambda error: error.nonsense)  # type: ignore[attr-defined]
    assert Table((own, *DEFAULT_TABLE)).attribute(ValueError("x")).name == "error"


def test_a_table_without_a_row_that_applies_uses_its_last() -> None:
    only = Rule(name="only", reason="only", errors=(KeyError,))
    assert Table((only,)).attribute(ValueError()).name == "only"


# ------------------------------------------------------------------ reading foreign errors


class Hostile(Exception):
    """Everything one asks it raises."""

    @property
    def status(self) -> int:
        raise RuntimeError("no status for you")

    @property
    def response(self) -> Any:
        raise RuntimeError("no response for you")

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


@virtual
async def test_an_error_that_cannot_be_read_is_an_error_like_any_other() -> None:
    engine = World()
    engine.script("a", Hostile())
    engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert route.adapter == "b"
    assert route.attempts[0].error == "(its text could not be read)"
    assert engine.breaker("a").failures == 3


def test_a_status_is_read_wherever_a_library_puts_it() -> None:
    assert status_of(HttpError(503)) == 503
    assert status_of(AiohttpError(503)) == 503
    assert status_of(OpenAiError(503)) == 503
    assert status_of(HTTPError("http://x", 503, "busy", Message(), None)) == 503
    assert status_of(ValueError("503")) is None


@pytest.mark.parametrize("status", [True, "503", None, 5.03])
def test_a_value_that_is_not_a_number_is_not_a_status(status: object) -> None:
    error = ValueError()
    error.status = status  # type: ignore[attr-defined]
    assert status_of(error) is None


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 12:00:30", 30.0),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 99999 12:00:30 GMT", None),
        ("Thu, 99999999999999999999 Jan 2026 12:00:30 GMT", None),
    ],
)
def test_a_retry_after_header_is_a_number_of_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_of(HttpError(503, Retry_After=value), NOON) == seconds
    assert retry_after_of(AiohttpError(503, headers={"retry-after": value}), NOON) == seconds


def test_urllibs_headers_are_read_too() -> None:
    headers = Message()
    headers["Retry-After"] = "9"
    assert retry_after_of(HTTPError("http://x", 503, "busy", headers, None)) == 9


@dataclass
class Answer:
    success: bool
    error: str = ""


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"success": False, "error": "no"}, "no"),
        ({"success": False}, "it answered success: false"),
        ({"success": True}, None),
        ({"success": None}, None),
        ({"success": 0}, None),
        ({}, None),
        (None, None),
        ("success: false", None),
        (False, None),
        (Answer(False, "no"), "no"),
        (Answer(True), None),
    ],
)
def test_a_result_that_says_it_failed_is_a_soft_failure(result: object, text: str | None) -> None:
    assert soft_failure_of(result) == text


def test_computed_and_later_fields_are_read_although_other_instances_had_none() -> None:
    class Computed(Exception):
        @property
        def status(self) -> int:
            return int(self.args[0])

    class Dynamic(Exception):
        def __getattr__(self, name: str) -> Any:
            if name == "status_code":
                return 401
            raise AttributeError(name)

    assert [TABLE.attribute(Computed(status)).name for status in (429, 400)] == ["rate_limited", "caller"]
    assert TABLE.attribute(Dynamic()).name == "credentials"
    plain, marked = RuntimeError("x"), RuntimeError("x")
    marked.status_code = 429  # type: ignore[attr-defined]
    marked.retry_after = 3  # type: ignore[attr-defined]
    assert [TABLE.attribute(error).name for error in (plain, marked, plain)] == ["error", "rate_limited", "error"]
    assert (retry_after_of(plain), retry_after_of(marked)) == (None, 3)


# ------------------------------------------------------------------ what a table remembers


def test_a_result_of_any_mapping_that_says_it_failed_is_a_soft_failure() -> None:
    assert soft_failure_of(MappingProxyType({"success": False, "error": "no"})) == "no"
    assert soft_failure_of(MappingProxyType({"success": True, "error": "no"})) is None


def test_a_table_goes_by_its_new_rows_for_errors_that_it_has_met_before() -> None:
    table = Table()
    assert [table.attribute(KeyError("x")).name for _ in range(2)] == ["error", "error"]
    table.set_rules((Rule(name="mine", reason="mine", errors=(KeyError,)), *DEFAULT_TABLE))
    assert [table.attribute(KeyError("x")).name for _ in range(2)] == ["mine", "mine"]


def test_a_type_that_was_met_bare_is_read_again_where_an_error_carries_something() -> None:
    table = Table()

    def caused_by(cause: Exception) -> Exception:
        try:
            raise RuntimeError("x") from cause
        except RuntimeError as error:
            return error

    assert table.attribute(RuntimeError("x")).name == "error"
    assert table.attribute(caused_by(OSError(errno.EMFILE, "too many open files"))).name == "local"
    assert table.attribute(RuntimeError("x")).name == "error"


def test_system_errors_of_one_type_are_told_apart_by_their_number() -> None:
    table = Table()
    numbers = [errno.EIO, errno.EMFILE, errno.EIO, errno.EMFILE]
    found = [table.attribute(OSError(number, "x")).name for number in numbers]
    assert found == ["connection", "local", "connection", "local"]


def test_a_table_stays_right_and_bounded_with_more_kinds_of_errors_than_it_remembers() -> None:
    own = Rule(name="mine", reason="mine", named=("Mine",))
    table = Table((own, *DEFAULT_TABLE))
    kinds = [type("Mine" if number % 2 else "Other", (Exception,), {}) for number in range(1200)]
    for _ in range(2):
        assert [table.attribute(kind()).name for kind in kinds] == ["error", "mine"] * 600
    assert len(table._readings) == len(table._candidates) == 1000


def test_an_error_that_a_later_row_may_test_is_tested_each_time() -> None:
    answers = iter([True, False, True])
    own = Rule(name="mine", reason="mine", when=lambda error: next(answers))
    table = Table((own, *DEFAULT_TABLE))
    assert [table.attribute(KeyError("x")).name for _ in range(3)] == ["mine", "error", "mine"]


def test_a_misspelt_name_of_a_row_is_refused_with_the_nearest_or_with_all() -> None:
    table = Table((Rule(name="quota", reason="x"), Rule(name="locked", reason="x")))
    assert table.check_names(["locked", "quota"], "here") == {"quota", "locked"}
    assert table.check_names([], "here") == frozenset()
    with pytest.raises(ValueError, match=r"^here: no attribution row is called 'qota'; did you mean quota\?$"):
        table.check_names(["quota", "qota"], "here")
    with pytest.raises(ValueError, match=r"^here: no attribution row is called 'xyz'; quota, locked$"):
        table.check_names(["xyz"], "here")


@pytest.mark.parametrize(("limited", "name"), [(99, "error"), (100, "rate_limited")])
def test_of_a_huge_group_the_first_hundred_members_decide(limited: int, name: str) -> None:
    members = [*(HttpError(429) for _ in range(limited)), HttpError(500)]
    assert TABLE.attribute(ExceptionGroup("many", members)).name == name


def test_members_of_inner_groups_decide_too_and_the_reason_names_their_rows() -> None:
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [HttpError(500)]), HttpError(429), KeyError("x")])
    assert TABLE.attribute(group).reason == "its parts failed differently: error, rate_limited, server"


def test_a_group_is_judged_by_its_members_wherever_the_row_for_all_errors_stands() -> None:
    everything = Rule(name="any", reason="any", errors=(Exception,))
    keys = Rule(name="keys", reason="keys", errors=(KeyError,), retry=False)
    never = Rule(name="never", reason="never", errors=(ZeroDivisionError,))
    table = Table((keys, everything, never))
    assert table.attribute(ExceptionGroup("two", [KeyError(), KeyError()])).name == "keys"
    mixed = table.attribute(ExceptionGroup("two", [KeyError(), ValueError()]))
    assert (mixed.name, mixed.counts, mixed.retry, mixed.failover) == ("any", True, False, True)
    assert Table((keys, never)).attribute(ExceptionGroup("one", [KeyError()])).name == "keys"
