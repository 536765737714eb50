"""Failure attribution: one table that says whom an error blames and what follows from it.

Rows are tried in order and the first that matches applies. A user extends the table by putting rows of their own in
front of `DEFAULT_TABLE`. The table is the engine's only opinion about errors: breaker, retry and failover all read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from typing import Any

from fuseboard_engine.errors import AttemptTimeout, DeadlineExceeded, FuseboardError, Rejected, SoftFailure, text_of

log = logging.getLogger("fuseboard.attribution")


class CallerError(FuseboardError):
    """Raised by an adapter when the task itself is wrong. No other adapter is called; nothing is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    It applies to an error that is of one of `errors`, has a type of one of the names `named`, carries one of
    `statuses`, or for which `when` says so; and, where `says` is given, whose text or code contains one of those
    phrases.

    Attributes:
        name: stands in each attempt's event.
        reason: why, in a sentence an operator can read.
        errors: exception types.
        named: names of exception types, or of their bases, for libraries that need not be installed.
        statuses: HTTP statuses or ranges of them.
        says: phrases in lower case, looked for only in what a service answered.
        when: any other test of the error; if it raises, that is logged and the row is passed over.
        counts: whether the failure counts against the adapter's breaker.
        retry: whether the same adapter may be asked again.
        failover: whether the next adapter of the chain is asked.
        opens: the breaker opens at once, unless this is the only adapter of the chain.
        only_handlers: failover goes only to adapters that list `name` in what they handle.
    """

    name: str
    reason: str
    errors: tuple[type[BaseException], ...] = ()
    named: tuple[str, ...] = ()
    statuses: tuple[int | range, ...] = ()
    says: tuple[str, ...] = ()
    when: Callable[[BaseException], bool] | None = None
    counts: bool = True
    retry: bool = True
    failover: bool = True
    opens: bool = False
    only_handlers: bool = False

    def matches(self, error: BaseException, status: int | None, code: object) -> bool:
        """Return whether this row applies to an error that carries this HTTP status and code (None: it has none)."""
        if (self.errors or self.named or self.statuses or self.when) and not self._is_about(error, status):
            return False
        if not self.says:
            return True
        if status is None and code is None:
            return False  # any other error may contain the words by chance
        text = f"{text_of(error)} {code}".lower()
        return any(phrase in text for phrase in self.says)

    def _is_about(self, error: BaseException, status: int | None) -> bool:
        if isinstance(error, self.errors):
            return True
        if self.named and any(base.__name__ in self.named for base in type(error).__mro__):
            return True
        if status is not None and any(status in w if isinstance(w, range) else status == w for w in self.statuses):
            return True
        try:
            return self.when is not None and self.when(error)
        except Exception:
            log.exception("the test of attribution row %r raised; the row is passed over", self.name)
            return False


_FIELDS = ("status_code", "status", "code", "response", "retry_after", "headers", "__getattr__")


_bare_types: dict[type[BaseException], bool] = {}


def _is_bare(error: BaseException) -> bool:
    """Return whether an error carries none of the fields read here, as most do: one look instead of ten."""
    if error.__dict__:
        return False
    kind = type(error)
    bare = _bare_types.get(kind)
    if bare is None:
        bare = not any(hasattr(kind, field) for field in _FIELDS)
        if len(_bare_types) < 1000:
            _bare_types[kind] = bare
    return bare


def _read(holder: object, field: str) -> Any:
    """Return a field of a foreign object; None when it has none, or its property raises."""
    try:
        return getattr(holder, field, None)
    except Exception:
        return None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status an error carries, whichever client library raised it; None when it has none."""
    response = _read(error, "response")
    for holder in (error,) if response is None else (error, response):
        for field in ("status_code", "status"):
            status = _read(holder, field)
            if isinstance(status, int) and not isinstance(status, bool):
                return status
    return None


def retry_after_of(error: BaseException, now: datetime | None = None) -> float | None:
    """Return the seconds an error asks to wait: its `retry_after`, or a Retry-After header (RFC 9110, 10.2.3).

    None when it carries neither, or nothing that can be read as a wait. A date in the past gives 0.0.
    """
    if _is_bare(error):
        return None
    value = _read(error, "retry_after")
    if value is None:
        # On the error itself (aiohttp, urllib) or on the response it carries (httpx, requests, openai).
        headers = _read(error, "headers") or _read(_read(error, "response"), "headers")
        get = _read(headers, "get")
        if get is not None:
            value = get("retry-after") or get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        try:
            moment = parsedate_to_datetime(str(value))
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


_CALLER = "the task itself is wrong; any adapter would refuse it"

DEFAULT_TABLE: tuple[Rule, ...] = (
    Rule(
        name="rejected",
        reason="the engine itself refused, so the adapter is not to blame",
        errors=(Rejected,),
        counts=False,
        retry=False,
    ),
    Rule(
        name="deadline",
        reason="the caller's own deadline passed",
        errors=(DeadlineExceeded,),
        counts=False,
        retry=False,
        failover=False,
    ),
    Rule(
        name="timeout",
        reason="the adapter gave no answer in time",
        errors=(AttemptTimeout, TimeoutError),
        named=("TimeoutException", "APITimeoutError"),
    ),
    Rule(name="soft_failure", reason="the adapter answered that it failed", errors=(SoftFailure,)),
    Rule(name="caller", reason=_CALLER, errors=(CallerError,), counts=False, retry=False, failover=False),
    Rule(
        name="rate_limited",
        reason="the adapter asked for fewer calls; others can take them meanwhile",
        statuses=(429,),
        opens=True,
    ),
    Rule(
        name="credentials",
        reason="the adapter's own credentials were refused",
        statuses=(401, 403),
        retry=False,
    ),
    Rule(
        name="context_window",
        reason="the task is too long for this adapter; only one that handles more can help",
        says=("context_length_exceeded", "context window", "maximum context length"),
        counts=False,
        retry=False,
        only_handlers=True,
    ),
    Rule(
        name="content_policy",
        reason="the adapter's content policy refused the task; only one with another policy can help",
        says=("content_policy", "content policy", "content_filter"),
        counts=False,
        retry=False,
        only_handlers=True,
    ),
    Rule(
        name="adapter_missing",
        reason="the adapter's own target is gone; a retry cannot succeed",
        statuses=(404, 410),
        says=("model", "deployment", "engine", "function"),
        retry=False,
    ),
    Rule(
        name="caller",
        reason=_CALLER,
        statuses=(400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 416, 422),
        counts=False,
        retry=False,
        failover=False,
    ),
    Rule(name="server", reason="the service failed", statuses=(408, 425, range(500, 600))),
    Rule(
        name="connection",
        reason="the service could not be reached",
        errors=(OSError,),
        named=("TransportError", "ClientConnectionError", "APIConnectionError"),
    ),
    Rule(name="error", reason="the adapter raised", errors=(Exception,)),
)


def unknown_rule(name: str, known: Iterable[str]) -> str:
    """Return the error for a name that is the name of no rule."""
    names = list(known)
    near = get_close_matches(name, names, 1)
    return f"no attribution row is called {name!r}; {f'did you mean {near[0]}?' if near else ', '.join(names)}"


class Table:
    """Attribution rules in the order they are tried.

    What an error of a type means is remembered, as long as it carries neither status nor code and no rule looks at
    more than its type.
    """

    __slots__ = ("_by_type", "_readings", "rules")

    def __init__(self, rules: tuple[Rule, ...] = DEFAULT_TABLE) -> None:
        self.set_rules(rules)

    def set_rules(self, rules: tuple[Rule, ...]) -> None:
        """Go by these rules from now on."""
        self.rules = rules
        remember = all(rule.when is None for rule in rules)
        self._by_type: dict[type[BaseException], Rule] | None = {} if remember else None
        self._readings: dict[type[BaseException], tuple[Rule, None]] = {}  # of errors that carry nothing at all

    def check_names(self, names: Iterable[str], where: str) -> frozenset[str]:
        """Return names of rules as a set; raise ValueError, which says `where`, if one is the name of no rule."""
        wanted = frozenset(names)
        if wanted:
            known = list(dict.fromkeys(rule.name for rule in self.rules))
            for name in sorted(wanted.difference(known)):
                raise ValueError(f"{where}: {unknown_rule(name, known)}")
        return wanted

    def attribute(self, error: BaseException) -> Rule:
        """Return the rule that applies to an error: the first that matches, else the last of all."""
        return self.read(error)[0]

    def read(self, error: BaseException) -> tuple[Rule, float | None]:
        """Return the rule that applies to an error, and the seconds it asks to wait (None: it does not)."""
        if not error.__dict__:
            reading = self._readings.get(type(error))
            if reading is not None:
                return reading
        if not _is_bare(error):
            return self._rule(error, status_of(error), _read(error, "code")), retry_after_of(error)
        reading = self._rule(error, None, None), None
        if self._by_type is not None and len(self._readings) < 1000:
            self._readings[type(error)] = reading
        return reading

    def _rule(self, error: BaseException, status: int | None, code: object) -> Rule:
        remembered = self._by_type if status is None and code is None else None
        if remembered is not None:
            rule = remembered.get(type(error))
            if rule is not None:
                return rule
        found = next((rule for rule in self.rules if rule.matches(error, status, code)), self.rules[-1])
        if remembered is not None and len(remembered) < 1000:
            remembered[type(error)] = found
        return found


_SAY_NOTHING = frozenset({str, bytes, int, float, bool, list, tuple, type(None)})


def soft_failure_of(result: Any) -> str | None:
    """Return what a result says went wrong if it says so itself (`success` is False), else None."""
    kind = type(result)
    if kind in _SAY_NOTHING:
        return None
    if kind is dict or isinstance(result, Mapping):
        if result.get("success", True) is not False:
            return None
        error = result.get("error")
    else:
        if getattr(result, "success", True) is not False:
            return None
        error = getattr(result, "error", None)
    return str(error) if error else "it answered success: false"
