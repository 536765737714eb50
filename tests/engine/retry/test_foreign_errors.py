"""What is read from the errors of other libraries: each class has the name, fields and shapes of the real one."""

from __future__ import annotations

import asyncio
import errno
import json
from datetime import UTC, datetime, timedelta
from email.message import Message
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from fuseboard_engine import CallerError, Rule
from fuseboard_engine.retry.attribution import DEFAULT_TABLE, Table
from fuseboard_engine.retry.foreign_errors import codes_of, message_of, retry_after_of, status_of
from support.engine_world import HttpError, World, virtual

TABLE = Table()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(error: BaseException) -> str:
    assert TABLE.attribute(error).name == TABLE.attribute(error).name  # the second time from memory
    return TABLE.attribute(error).name


def carrying(kind: type[Exception] = Exception, text: str = "", /, **fields: Any) -> Exception:
    """An error with these fields."""
    error = kind(text)
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def foreign(module: str, name: str, *bases: type[BaseException], text: str = "odd", **fields: Any) -> Exception:
    """An error of a class with this name in this module."""
    kind = type(name, bases or (Exception,), {"__module__": module})
    return carrying(kind, text, **fields)


class Boto(Exception):
    """As botocore.exceptions.ClientError: the response is a mapping."""

    def __init__(self, code: str, status: int, text: str = "it failed", **headers: str) -> None:
        super().__init__(f"An error occurred ({code}) when calling the InvokeModel operation: {text}")
        self.operation_name = "InvokeModel"
        self.response = {
            "Error": {"Code": code, "Message": text},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()},
            },
        }


class StatusCode(Enum):
    """As grpc.StatusCode."""

    RESOURCE_EXHAUSTED = (8, "resource exhausted")
    UNAVAILABLE = (14, "unavailable")
    INVALID_ARGUMENT = (3, "invalid argument")
    UNAUTHENTICATED = (16, "unauthenticated")
    DEADLINE_EXCEEDED = (4, "deadline exceeded")
    INTERNAL = (13, "internal")
    NOT_FOUND = (5, "not found")


class Rpc(Exception):
    """As grpc.aio.AioRpcError: code, details and trailing metadata are methods."""

    def __init__(self, code: StatusCode, details: str = "", *metadata: tuple[str, str]) -> None:
        super().__init__(f"<AioRpcError of RPC that terminated with: status = {code}>")
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


def google(code: int, status: str, text: str, *details: dict[str, Any]) -> Exception:
    """As google.genai.errors.APIError."""
    body = {"error": {"code": code, "status": status, "message": text, "details": list(details)}}
    return foreign(
        "google.genai.errors", "ClientError", text=f"{code} {status}. {body}",
        code=code, status=status, message=text, details=body, response=None,
    )  # fmt: skip


def openai(status: int, code: str | None, text: str, kind: str = "invalid_request_error") -> Exception:
    """As openai.APIStatusError: its body is the inner error."""
    body = {"message": text, "type": kind, "param": None, "code": code}
    return foreign(
        "openai", "APIStatusError", text=f"Error code: {status} - {{'error': {body}}}",
        status_code=status, code=code, type=kind, body=body, message=f"Error code: {status} - {{'error': {body}}}",
        response=HttpError(status).response,
    )  # fmt: skip


def anthropic(status: int, kind: str, text: str) -> Exception:
    """As anthropic.APIStatusError: its body is the whole answer."""
    body = {"type": "error", "error": {"type": kind, "message": text}}
    return foreign(
        "anthropic", "APIStatusError", text=f"Error code: {status} - {body}",
        status_code=status, body=body, response=HttpError(status).response,
    )  # fmt: skip


def mistral(status: int, text: str) -> Exception:
    """As mistralai.models.SDKError: the body is text, the response `raw_response`."""
    body = json.dumps({"object": "error", "message": text, "type": "invalid_request_error", "code": "3051"})
    return foreign(
        "mistralai.models.sdkerror", "SDKError", text=f"API error occurred: Status {status}. Body: {body}",
        status_code=status, body=body, raw_response=HttpError(status).response, headers={},
    )  # fmt: skip


def cohere(status: int, text: str) -> Exception:
    """As cohere.core.ApiError."""
    error = foreign("cohere.errors", "BadRequestError", status_code=status, body={"message": text}, headers={})
    error.args = ()
    return error


def chained(error: Exception, *causes: BaseException) -> Exception:
    inner: BaseException = error
    for cause in causes:
        inner.__cause__ = cause
        inner = cause
    return error


# ------------------------------------------------------------------ statuses


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (carrying(status_code=429), 429),
        (carrying(status=503), 503),
        (carrying(http_status=402), 402),  # stripe
        (carrying(code=429), 429),  # google.api_core
        (carrying(code="429"), 429),  # litellm's proxy
        (google(503, "UNAVAILABLE", "overloaded"), 503),
        (Boto("ThrottlingException", 429), 429),
        (Rpc(StatusCode.RESOURCE_EXHAUSTED), 429),
        (carrying(status=StatusCode.UNAVAILABLE), 503),  # grpclib
        (carrying(code="resource_exhausted"), 429),  # twirp, connect
        (carrying(raw_response=HttpError(500).response), 500),
        (carrying(response={"status_code": 502}), 502),
        (HTTPError("http://x", 404, "gone", Message(), None), 404),
        (carrying(status=200, code=200), None),
        (carrying(status=True), None),
        (carrying(code=1006), None),  # a close code of a web socket
        (carrying(code=-32001), None),
        (carrying(code="e3q8"), None),  # sqlalchemy
        (carrying(status=1), None),  # of a program
        (SystemError("503"), None),
    ],
)
def test_a_status_is_found_wherever_a_library_puts_it(error: Exception, status: int | None) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (302, "error"), (400, "caller"), (401, "credentials"), (402, "quota"), (403, "credentials"),
        (404, "caller"), (405, "caller"), (407, "credentials"), (408, "server"), (409, "caller"), (410, "caller"),
        (412, "caller"), (413, "caller"), (417, "caller"), (418, "caller"), (421, "server"), (422, "caller"),
        (423, "locked"), (424, "server"), (425, "server"), (426, "adapter_missing"), (428, "caller"),
        (429, "rate_limited"), (431, "caller"), (451, "caller"), (499, "server"), (500, "server"), (501, "server"),
        (502, "server"), (503, "server"), (504, "server"), (529, "server"), (599, "server"),
    ],
)  # fmt: skip
def test_each_status_has_its_row(status: int, name: str) -> None:
    assert row(HttpError(status)) == name
    assert row(carrying(status=status)) == name


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("CANCELLED", 499), ("UNKNOWN", 500), ("INVALID_ARGUMENT", 400), ("DEADLINE_EXCEEDED", 504),
        ("NOT_FOUND", 404), ("ALREADY_EXISTS", 409), ("PERMISSION_DENIED", 403), ("RESOURCE_EXHAUSTED", 429),
        ("FAILED_PRECONDITION", 400), ("ABORTED", 409), ("OUT_OF_RANGE", 400), ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500), ("UNAVAILABLE", 503), ("DATA_LOSS", 500), ("UNAUTHENTICATED", 401), ("OK", None),
    ],
)  # fmt: skip
def test_a_grpc_status_is_the_http_status_of_googles_api_design_guide(name: str, status: int | None) -> None:
    assert status_of(carrying(code=name)) == status
    assert status_of(carrying(status=name.lower())) == status


# ------------------------------------------------------------------ codes


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (openai(429, "insufficient_quota", "You exceeded your current quota", "insufficient_quota"), "quota"),
        (openai(429, "billing_hard_limit_reached", "hard limit"), "quota"),
        (openai(429, "rate_limit_exceeded", "Rate limit reached", "requests"), "rate_limited"),
        (anthropic(400, "invalid_request_error", "Your credit balance is too low to access the API"), "quota"),
        (HttpError(400, "Your credit balance is too low to access the Anthropic API."), "quota"),
        (anthropic(402, "billing_error", "pay"), "quota"),
        (anthropic(529, "overloaded_error", "Overloaded"), "server"),
        (anthropic(200, "overloaded_error", "Overloaded"), "server"),  # within a stream
        (anthropic(429, "rate_limit_error", "slow down"), "rate_limited"),
        (google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan"), "rate_limited"),
        (google(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}), "credentials"),
        (google(503, "UNAVAILABLE", "The model is overloaded"), "server"),
        (Boto("ThrottlingException", 400), "rate_limited"),
        (Boto("ProvisionedThroughputExceededException", 400), "rate_limited"),
        (Boto("SlowDown", 503), "rate_limited"),
        (Boto("ExpiredTokenException", 400), "credentials"),
        (Boto("ServiceQuotaExceededException", 400), "quota"),
        (Boto("ValidationException", 400), "caller"),
        (Boto("InternalServerException", 500), "server"),
        (Boto("ValidationException", 400, "Input is too long for requested model."), "context_window"),
        (Rpc(StatusCode.RESOURCE_EXHAUSTED), "rate_limited"),
        (Rpc(StatusCode.UNAVAILABLE), "server"),
        (Rpc(StatusCode.INVALID_ARGUMENT), "caller"),
        (Rpc(StatusCode.UNAUTHENTICATED), "credentials"),
        (Rpc(StatusCode.DEADLINE_EXCEEDED), "timeout"),
        (Rpc(StatusCode.INTERNAL), "server"),
        (foreign("litellm.exceptions", "BudgetExceededError", status_code=400), "quota"),
        (foreign("litellm.exceptions", "PaymentRequiredError"), "quota"),
    ],
)
def test_an_error_code_overrides_the_status(error: Exception, name: str) -> None:
    assert row(error) == name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (openai(400, "context_length_exceeded", "This model's maximum context length is 4097"), "context_window"),
        (openai(400, None, "This model's maximum context length is 4097 tokens. You requested 5000"), "context_window"),
        (anthropic(400, "invalid_request_error", "prompt is too long: 213462 tokens > 200000"), "context_window"),
        (anthropic(413, "request_too_large", "Request exceeds the maximum size"), "context_window"),
        (google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed"),
         "context_window"),
        (mistral(400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
         "context_window"),
        (cohere(400, "too many tokens: total number of tokens in the prompt exceeds the limit"), "context_window"),
        (foreign("litellm.exceptions", "ContextWindowExceededError", status_code=400), "context_window"),
        (foreign("langchain_core.exceptions", "ContextOverflowError"), "context_window"),
        (openai(400, "content_policy_violation", "rejected"), "content_policy"),
        (openai(400, "content_filter", "The response was filtered"), "content_policy"),
        (HttpError(400, "The prompt triggered Azure OpenAI's content management policy."), "content_policy"),
        (anthropic(400, "invalid_request_error", "Output blocked by content filtering policy"), "content_policy"),
        (foreign("openai", "ContentFilterFinishReasonError"), "content_policy"),
        (foreign("openai", "LengthFinishReasonError"), "caller"),
        (foreign("litellm.exceptions", "ContentPolicyViolationError", status_code=400), "content_policy"),
        (foreign("langchain_core.exceptions", "ModelRefusalError"), "content_policy"),
        (foreign("langchain_core.exceptions", "ModelTimeoutError"), "timeout"),
        (foreign("langchain_core.exceptions", "ModelConnectionError"), "connection"),
        (foreign("langchain_core.exceptions", "AuthenticationError"), "credentials"),
        (foreign("langchain_core.exceptions", "RateLimitError"), "rate_limited"),
        (foreign("langchain_core.exceptions", "ServerError"), "server"),
        (foreign("langchain_core.exceptions", "ModelNotFoundError"), "adapter_missing"),
        (foreign("langchain_core.exceptions", "OutputParserException"), "soft_failure"),
    ],
)  # fmt: skip
def test_limits_of_context_and_content_are_known_by_name_code_and_words(error: Exception, name: str) -> None:
    assert row(error) == name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (foreign("requests.exceptions", "Timeout", OSError), "timeout"),
        (foreign("requests.exceptions", "ReadTimeout", OSError), "timeout"),
        (foreign("requests.exceptions", "ConnectTimeout", OSError), "timeout"),
        (foreign("requests.exceptions", "ConnectionError", OSError), "connection"),
        (foreign("botocore.exceptions", "ReadTimeoutError"), "timeout"),
        (foreign("botocore.exceptions", "ConnectTimeoutError"), "timeout"),
        (foreign("botocore.exceptions", "EndpointConnectionError"), "connection"),
        (foreign("botocore.exceptions", "NoCredentialsError"), "credentials"),
        (foreign("redis.exceptions", "TimeoutError"), "timeout"),
        (foreign("redis.exceptions", "ConnectionError"), "connection"),
        (foreign("sqlalchemy.exc", "OperationalError", code="e3q8"), "connection"),
        (foreign("sqlalchemy.exc", "IntegrityError", code="gkpj"), "caller"),
        (foreign("sqlalchemy.exc", "TimeoutError", code="3o7r"), "local"),
        (foreign("asyncpg.exceptions", "PostgresConnectionError"), "connection"),
        (foreign("httpx", "PoolTimeout"), "local"),
        (foreign("httpx", "ReadTimeout"), "timeout"),
        (foreign("google.api_core.exceptions", "RetryError"), "timeout"),
        (foreign("tenacity", "RetryError"), "error"),
    ],
)
def test_errors_of_clients_are_known_by_their_names(error: Exception, name: str) -> None:
    assert row(error) == name


@pytest.mark.parametrize(
    "number", ["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "ENOMEM", "ENOBUFS", "EADDRNOTAVAIL", "EROFS"]
)
def test_a_missing_local_resource_is_not_attributed_to_the_service(number: str) -> None:
    error = OSError(getattr(errno, number), "no more")
    assert row(error) == "local"
    assert codes_of(error) == (number.lower(),)
    assert row(OSError(errno.EHOSTUNREACH, "no route")) == "connection"  # the same type, remembered apart


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "denied"),
        FileNotFoundError(errno.ENOENT, "no such file"),
        MemoryError(),
        chained(foreign("httpx", "ConnectError"), foreign("httpcore", "ConnectError"), OSError(errno.EMFILE, "many")),
        chained(RuntimeError("no"), OSError("all failed"), ExceptionGroup("two", [OSError(errno.EMFILE, "many")])),
        foreign("requests.exceptions", "ConnectionError", OSError, request=None),
        URLError(OSError(errno.EMFILE, "many")),
    ],
)
def test_a_missing_local_resource_is_found_among_the_causes(error: Exception) -> None:
    if type(error).__name__ == "ConnectionError":  # as requests: the wrapped error is the first argument
        error.args = (chained(foreign("urllib3", "MaxRetryError"), OSError(errno.EMFILE, "many")),)
    assert row(error) == "local"


def test_an_error_that_came_while_another_was_handled_is_not_its_consequence() -> None:
    async def call() -> None:
        try:
            raise FileNotFoundError(errno.ENOENT, "no cache")
        except FileNotFoundError:
            raise ConnectionResetError(errno.ECONNRESET, "reset")  # noqa: B904

    with pytest.raises(ConnectionResetError) as caught:
        asyncio.run(call())
    assert row(caught.value) == "connection"


@virtual
async def test_a_missing_local_resource_opens_no_breaker() -> None:
    engine = World()
    engine.script("a", OSError(errno.EMFILE, "Too many open files"))
    engine.script("b", "from b")
    for _ in range(5):
        assert (await engine.execute_with_fallback("task")).adapter == "b"
    assert engine.breaker("a").snapshot().failures == 0


# ------------------------------------------------------------------ words


@pytest.mark.parametrize(
    "text",
    [
        "404 Not Found from http://model-service/functions/17",
        "404 Client Error: Not Found for url: https://x.example/deployment/17?engine=3",
        "404, message='Not Found', url='http://x.example/models/17'",
        "no route to /v1/models/17",
        'HTTP 404: {"error": "order 17 does not exist", "path": "/models"}',
        'order "model" does not exist',
    ],
)
def test_words_in_urls_and_quotations_do_not_change_the_attribution(text: str) -> None:
    assert row(HttpError(404, text)) == "caller"


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize(
    "text", ["context_length_exceeded", "blocked by content policy", "credit balance is too low", "no such model"]
)
def test_a_server_error_keeps_its_attribution_whatever_its_text(status: int, text: str) -> None:
    assert row(HttpError(status, text)) == "server"


@pytest.mark.parametrize(
    "text",
    [
        'invalid temperature; request was: {"prompt": "explain how to exceed the context window"}',
        "invalid temperature; the prompt was: write our content policy",
        "invalid temperature in 'write our content policy'",
        "{'error': {'message': 'bad', 'prompt': 'the maximum context length'}}",
        "what is a context window?",
    ],
)
def test_words_of_an_echoed_request_do_not_change_the_attribution(text: str) -> None:
    assert row(HttpError(400, text)) == "caller"


def test_the_message_comes_from_the_body() -> None:
    assert message_of(openai(400, None, "Too LONG")) == "too long"
    assert message_of(mistral(400, "too large")) == "too large"
    assert message_of(google(400, "INVALID_ARGUMENT", "bad")) == "bad"
    assert message_of(Boto("ValidationException", 400, "wrong")) == "wrong"
    assert message_of(Rpc(StatusCode.INVALID_ARGUMENT, "no such field")) == "no such field"
    assert message_of(HttpError(400, 'answered {"error": {"message": "bad one"}}')) == "answered  bad one"
    assert message_of(carrying(body='{"detail": [{"msg": "field required"}]}')) == "field required"


@pytest.mark.parametrize("key", ["message", "Message", "msg", "detail", "error_description", "error", "title"])
def test_the_message_of_a_body_is_the_text_under_its_usual_names(key: str) -> None:
    assert message_of(carrying(Exception, "outside", body={key: "No such order", "other": "x"})) == "no such order"
    assert message_of(carrying(Exception, "outside", body={"error": {key: "No such order"}})) == "no such order"
    assert message_of(carrying(Exception, "outside", body={key: 17})) == "outside"


def test_a_message_is_read_up_to_four_thousand_characters() -> None:
    assert message_of(carrying(Exception, "x" * 3_999 + "y" * 9)) == "x" * 3_999 + "y"


def test_a_number_that_is_a_status_is_not_a_code() -> None:
    found = {number: codes_of(carrying(code=number)) for number in (99, 100, 429, 599, 600, -32_001, True)}
    assert found == {99: ("99",), 100: (), 429: (), 599: (), 600: ("600",), -32_001: ("-32001",), True: ()}


def test_a_custom_row_matches_codes_and_patterns() -> None:
    import re

    odd = Rule(name="odd", reason="odd", codes=(-32001, "Strange"))
    worded = Rule(name="worded", reason="worded", statuses=(500,), says=(re.compile(r"shard \d+"),))
    table = Table((odd, worded, *DEFAULT_TABLE))
    assert table.attribute(carrying(code=-32001)).name == "odd"
    assert table.attribute(carrying(status_code=400, code="STRANGE")).name == "odd"
    assert table.attribute(HttpError(500, "shard 7 is gone")).name == "worded"
    assert table.attribute(HttpError(500, "shard is gone")).name == "server"


def test_an_async_test_of_a_row_is_refused() -> None:
    async def when(error: BaseException) -> bool:
        return False

    class Callable:
        async def __call__(self, error: BaseException) -> bool:
            return False

    for test in (when, Callable()):
        with pytest.raises(TypeError, match="async"):
            Rule(name="mine", reason="", when=test)  # type: ignore[arg-type]


# ------------------------------------------------------------------ groups


@pytest.mark.parametrize(
    ("members", "name", "flags"),
    [
        ([CallerError("wrong")], "caller", (False, False, False)),
        ([HttpError(429), HttpError(429)], "rate_limited", (True, True, True)),
        ([ConnectionResetError(), OSError(-2, "dns")], "connection", (True, True, True)),
        ([ExceptionGroup("inner", [HttpError(401)])], "credentials", (True, False, True)),
        ([HttpError(429), HttpError(500)], "error", (True, True, True)),
        ([CallerError("wrong"), ConnectionResetError()], "error", (True, False, False)),
        ([HttpError(400), HttpError(401)], "error", (True, False, False)),
        ([OSError(errno.EMFILE, ""), HttpError(423)], "error", (False, True, True)),
    ],
)
def test_an_exception_group_is_attributed_by_all_its_members(
    members: list[Exception], name: str, flags: tuple[bool, bool, bool]
) -> None:
    rule = TABLE.attribute(ExceptionGroup("several", members))
    assert rule.name == name
    assert (rule.counts, rule.retry, rule.failover) == flags


def test_a_group_asks_to_wait_as_long_as_its_most_patient_member() -> None:
    group = ExceptionGroup("two", [HttpError(429, Retry_After="2"), HttpError(429, Retry_After="7"), HttpError(429)])
    assert TABLE.read(group)[1] == 7


def test_a_row_that_names_groups_comes_first() -> None:
    mine = Rule(name="mine", reason="", errors=(ExceptionGroup,))
    assert Table((mine, *DEFAULT_TABLE)).attribute(ExceptionGroup("one", [HttpError(500)])).name == "mine"


# ------------------------------------------------------------------ Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),  # RFC 850
        ("Thu Jan  1 12:00:30 2026", 30.0),  # asctime
        ("2026-01-01T12:00:30Z", 30.0),
        ("2026-01-01T13:00:30+01:00", 30.0),
        (timedelta(seconds=30), 30.0),
        (datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC), 30.0),
        (b"30", 30.0),
        (True, None),
        (object(), None),
    ],
)
def test_a_wait_is_read_in_many_formats(value: object, seconds: float | None) -> None:
    assert retry_after_of(carrying(retry_after=value), NOON) == seconds
    assert retry_after_of(carrying(headers={"RETRY-AFTER": value}), NOON) == seconds


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (carrying(headers={"Retry-After-Ms": "1500", "Retry-After": "9"}), 1.5),
        (carrying(headers={"Retry-After-Ms": "soon", "Retry-After": "9"}), 9.0),
        (carrying(headers=[("retry-after", "9")]), 9.0),
        (carrying(litellm_response_headers={"retry-after": "9"}), 9.0),
        (carrying(raw_response=HttpError(429, Retry_After="9").response), 9.0),
        (Boto("ThrottlingException", 429, retry_after="7"), 7.0),
        (foreign("litellm", "RouterRateLimitError", ValueError, cooldown_time=4.0), 4.0),
        (Rpc(StatusCode.UNAVAILABLE, "", ("retry-after", "3")), 3.0),
        (Rpc(StatusCode.UNAVAILABLE, "", ("grpc-retry-pushback-ms", "250")), 0.25),
        (
            google(429, "RESOURCE_EXHAUSTED", "", {"@type": "type.googleapis.com/RetryInfo", "retryDelay": "34.5s"}),
            34.5,
        ),
        (carrying(code=429, details=[carrying(retry_delay=timedelta(seconds=8))]), 8.0),
        (carrying(headers={"retry-after": ""}), None),
    ],
)
def test_a_wait_is_found_wherever_a_library_puts_it(error: Exception, seconds: float | None) -> None:
    assert retry_after_of(error, NOON) == seconds


class Hostile(Exception):
    """Whatever is read of it is of the wrong kind or raises."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "value":
            raise AttributeError(name)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class RaisingMapping(dict[str, Any]):
    def get(self, key: str, default: Any = None) -> Any:
        raise RuntimeError("no")

    def items(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        RuntimeError("no"), None, 3.5, -1, "x" * 1000, "{" * 100_000, b"\xff{", [], {}, [[]], {"error": {"error": []}},
        lambda: 1 / 0, lambda: {"error": {"code": 429}}, RaisingMapping(a=1), Path("/"), float("nan"), object,
        {"error": {"message": 3, "details": [1, None, {}]}}, 10**400,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_no_content_of_an_error_breaks_its_attribution(value: Any) -> None:
    error = Hostile(value)
    assert row(error) in {rule.name for rule in DEFAULT_TABLE}
    wait = retry_after_of(error)
    assert wait is None or wait >= 0
    assert isinstance(message_of(error), str)
