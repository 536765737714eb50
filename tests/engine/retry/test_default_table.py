"""The attribution of the errors of known services and libraries: by class name, by code, by words, and what follows."""

from __future__ import annotations

import pytest

from fuseboard_engine.retry.attribution import DEFAULT_TABLE, Table
from support.engine_world import HttpError

TABLE = Table()

CONSEQUENCES = {
    "rejected": "failover",
    "deadline": "",
    "local": "retry failover",
    "timeout": "counts retry failover",
    "soft_failure": "counts retry failover",
    "caller": "",
    "quota": "counts failover opens",
    "rate_limited": "counts retry failover opens",
    "credentials": "counts failover opens",
    "context_window": "failover only_handlers",
    "content_policy": "failover only_handlers",
    "adapter_missing": "counts failover",
    "locked": "retry failover",
    "server": "counts retry failover",
    "connection": "counts retry failover",
    "error": "counts retry failover",
}

CLASS_NAMES = {
    "soft_failure": "langchain_core.OutputParserException",
    "local": "httpx.PoolTimeout urllib3.EmptyPoolError aiohttp.ConnectionPoolTimeoutError redis.MaxConnectionsError"
    " sqlalchemy.TimeoutError",
    "timeout": "requests.Timeout redis.TimeoutError httpx.TimeoutException openai.APITimeoutError httpx.ReadTimeout"
    " httpx.ConnectTimeout botocore.ReadTimeoutError botocore.ConnectTimeoutError aiohttp.ServerTimeoutError"
    " langchain_core.ModelTimeoutError google.DeadlineExceeded azure.ServiceRequestTimeoutError"
    " azure.ServiceResponseTimeoutError pymongo.ServerSelectionTimeoutError pymongo.NetworkTimeout"
    " llama_index.WorkflowTimeoutError prefect.FlowRunWaitTimeout google.RetryError",
    "quota": "litellm.PaymentRequiredError litellm.BudgetExceededError some.QuotaExceededError"
    " some.InsufficientQuotaError",
    "rate_limited": "openai.RateLimitError langchain_core.ModelRateLimitError litellm.RouterRateLimitError",
    "credentials": "openai.AuthenticationError openai.PermissionDeniedError langchain_core.ModelAuthenticationError"
    " langchain_core.ModelPermissionDeniedError azure.ClientAuthenticationError botocore.NoCredentialsError"
    " botocore.PartialCredentialsError botocore.CredentialRetrievalError botocore.TokenRetrievalError"
    " google.DefaultCredentialsError google.RefreshError",
    "context_window": "litellm.ContextWindowExceededError langchain_core.ContextOverflowError",
    "content_policy": "litellm.ContentPolicyViolationError openai.ContentFilterFinishReasonError"
    " langchain_core.ModelRefusalError litellm.GuardrailRaisedException google.BlockedPromptException"
    " google.StopCandidateException vertexai.ResponseBlockedError",
    "adapter_missing": "langchain_core.ModelNotFoundError",
    "caller": "sqlalchemy.IntegrityError sqlalchemy.DataError asyncpg.IntegrityConstraintViolationError"
    " pymongo.DuplicateKeyError langchain_core.ModelInvalidRequestError botocore.ParamValidationError"
    " openai.LengthFinishReasonError",
    "server": "google.ServerError langchain_core.ModelAPIError openai.InternalServerError"
    " litellm.ServiceUnavailableError",
    "connection": "httpx.TransportError aiohttp.ClientConnectionError openai.APIConnectionError"
    " requests.ConnectionError langchain_core.ModelConnectionError"
    " botocore.HTTPClientError botocore.EndpointConnectionError"
    " azure.ServiceRequestError azure.ServiceResponseError sqlalchemy.OperationalError sqlalchemy.InterfaceError"
    " sqlalchemy.DisconnectionError asyncpg.PostgresConnectionError pymongo.AutoReconnect pymongo.ConnectionFailure",
    "error": "tenacity.RetryError other.RefreshError ValueError",
}

CODES = {
    "local": "EMFILE ENFILE ENOMEM ENOBUFS ENOSPC EDQUOT EADDRNOTAVAIL EROFS ELOOP ENAMETOOLONG EXDEV EFBIG",
    "timeout": "deadline_exceeded timeout_error ModelTimeoutException RequestTimeout RequestTimeoutException",
    "quota": "insufficient_quota billing_hard_limit_reached billing_not_active billing_error quota_exceeded"
    " quotaExceeded dailyLimitExceeded ServiceQuotaExceededException credit_balance_too_low insufficient_credits"
    " budget_exceeded access_terminated",
    "rate_limited": "resource_exhausted rate_limit_exceeded rate_limit_error rateLimitExceeded userRateLimitExceeded"
    " too_many_requests ThrottlingException Throttling ThrottledException RequestThrottled RequestThrottledException"
    " TooManyRequestsException TooManyRequests ProvisionedThroughputExceededException RequestLimitExceeded"
    " BandwidthLimitExceeded LimitExceededException SlowDown EC2ThrottledException PriorRequestNotComplete",
    "credentials": "authentication_error permission_error invalid_api_key API_KEY_INVALID unauthenticated"
    " permission_denied ExpiredToken ExpiredTokenException UnrecognizedClientException InvalidSignatureException"
    " SignatureDoesNotMatch InvalidClientTokenId InvalidAccessKeyId AccessDenied AccessDeniedException AuthFailure"
    " MissingAuthenticationToken MissingAuthenticationTokenException IncompleteSignature",
    "context_window": "context_length_exceeded context_window_exceeded model_context_window_exceeded"
    " string_above_max_length request_too_large context_window_exceeded_error max_tokens_exceeded",
    "content_policy": "content_policy_violation content_filter content_filtered ResponsibleAIPolicyViolation"
    " moderation_blocked image_content_policy_violation prohibited_content blocked_content",
    "adapter_missing": "model_not_found model_not_exist invalid_model DeploymentNotFound deployment_not_found",
    "server": "overloaded_error api_error server_error internal_server_error internal_error engine_overloaded"
    " InternalServerException InternalFailure InternalError ServiceUnavailable ServiceUnavailableException",
    "error": "some_code",
}

WORDS = [
    ("Your credit balance is too low", "quota"),
    ("You have insufficient credits", "quota"),
    ("The team is out of credits", "quota"),
    ("insufficient_quota: see the docs", "quota"),
    ("Billing hard limit has been reached", "quota"),
    ("You exceeded your current quota", "quota"),
    ("Please purchase credits", "quota"),
    ("Please purchase more credits", "quota"),
    ("maximum context length is 4097 tokens", "context_window"),
    ("The context window was exceeded", "context_window"),
    ("Error context_length_exceeded", "context_window"),
    ("The prompt is too long", "context_window"),
    ("Input is too long for the model", "context_window"),
    ("input and max_tokens exceed context limit", "context_window"),
    ("It exceeds the maximum number of tokens", "context_window"),
    ("too many tokens", "context_window"),
    ("It is above the maximum prompt length", "context_window"),
    ("Please reduce the length of the messages", "context_window"),
    ("Your input tokens exceed the limit", "context_window"),
    ("content_policy", "content_policy"),
    ("It violates our content policy", "content_policy"),
    ("It violates our content policies", "content_policy"),
    ("content_filter", "content_policy"),
    ("Blocked by the content filter", "content_policy"),
    ("The content management policy", "content_policy"),
    ("Rejected by our safety system", "content_policy"),
    ("It violates our usage policies", "content_policy"),
    ("It violates our usage policy", "content_policy"),
    ("What is this?", "caller"),
]


def words(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(word, name) for name, line in table.items() for word in line.split()]


@pytest.mark.parametrize("at", range(len(DEFAULT_TABLE)))
def test_rows_of_one_name_have_the_same_consequences(at: int) -> None:
    rule = DEFAULT_TABLE[at]
    flags = ("counts", "retry", "failover", "opens", "only_handlers")
    assert " ".join(flag for flag in flags if getattr(rule, flag)) == CONSEQUENCES[rule.name]
    assert rule.reason


@pytest.mark.parametrize(("known", "name"), words(CLASS_NAMES))
def test_an_error_is_known_by_the_name_of_its_class(known: str, name: str) -> None:
    module, _, short = known.rpartition(".")
    error = type(short, (Exception,), {"__module__": f"{module}.errors" if module else "builtins"})("odd")
    assert TABLE.attribute(error).name == name


@pytest.mark.parametrize(("code", "name"), words(CODES))
def test_an_error_is_known_by_the_code_of_the_service(code: str, name: str) -> None:
    error = Exception("odd")
    error.code = code  # type: ignore[attr-defined]
    assert TABLE.attribute(error).name == name


@pytest.mark.parametrize(("text", "name"), WORDS)
def test_a_bad_request_is_known_by_the_words_of_the_service(text: str, name: str) -> None:
    assert TABLE.attribute(HttpError(400, text)).name == name


@pytest.mark.parametrize("subject", ["model", "deployment", "engine", "function"])
def test_a_missing_model_is_told_from_another_missing_thing(subject: str) -> None:
    found = {status: TABLE.attribute(HttpError(status, f"The {subject} x does not exist")).name for status in
             (403, 404, 405, 409, 410, 411)}  # fmt: skip
    assert found == {
        403: "credentials",
        404: "adapter_missing",
        405: "caller",
        409: "caller",
        410: "adapter_missing",
        411: "caller",
    }
    assert TABLE.attribute(HttpError(404, "The order does not exist")).name == "caller"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (MemoryError(), "local"),
        (FileNotFoundError(), "local"),
        (PermissionError(), "local"),
        (IsADirectoryError(), "local"),
        (NotADirectoryError(), "local"),
        (FileExistsError(), "local"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connection"),
        (OSError(), "connection"),
        (ValueError(), "error"),
    ],
)
def test_errors_of_python_are_known(error: Exception, name: str) -> None:
    assert TABLE.attribute(error).name == name
