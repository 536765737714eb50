"""One row of the attribution table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.retry.foreign_errors import message_of
from fuseboard_engine.runtime.plain_functions import is_async

log = get_logger("fuseboard.attribution")


class CallerError(FuseboardError):
    """Raised by an adapter when the task itself is wrong. No other adapter is called; nothing is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    It applies to an error that is of one of `errors`, has a type of one of the names `named`, carries one of
    `statuses` or `codes`, or for which `when` says so; and, where `says` is given, whose message or code contains one
    of those phrases.

    Attributes:
        name: part of each attempt's event.
        reason: why, in a sentence an operator can read.
        errors: exception types.
        named: names of exception types, or of their bases, for libraries that need not be installed: `Timeout`, or
            `requests.Timeout` for the one of that top-level package.
        statuses: HTTP statuses or ranges of them.
        codes: the service's own codes (`insufficient_quota`, `ThrottlingException`, `-32001`), and names of system
            errors (`EMFILE`); upper and lower case are the same.
        says: phrases in lower case, or patterns, looked for only in the code and the message of a service that
            answered with a 4xx or with a code and no status, or with one of `statuses`. URLs, headers, quotations
            and echoed requests are left out.
        when: any other test of the error; if it raises, that is logged and the row is passed over.
        counts: whether the failure counts against the adapter's breaker.
        retry: whether the same adapter may be asked again.
        failover: whether the next adapter of the chain is asked.
        opens: the breaker opens at once; if the row allows a retry, only while another adapter of the chain takes
            calls.
        only_handlers: failover goes only to adapters that list `name` in what they handle.

    Raises:
        TypeError: `when` is an async function; a row is found without waiting.
    """

    name: str
    reason: str
    errors: tuple[type[BaseException], ...] = ()
    named: tuple[str, ...] = ()
    statuses: tuple[int | range, ...] = ()
    codes: tuple[str | int, ...] = ()
    says: tuple[str | re.Pattern[str], ...] = ()
    when: Callable[[BaseException], bool] | None = None
    counts: bool = True
    retry: bool = True
    failover: bool = True
    opens: bool = False
    only_handlers: bool = False

    def __post_init__(self) -> None:
        if is_async(self.when):
            raise TypeError(f"`when` of row {self.name!r} is async; it must return its answer without waiting")

    def names_error(self, kind: type[BaseException], status: int | None, codes: tuple[str, ...]) -> bool:
        """Return whether this row names an error's type, status or one of its codes, or names nothing at all."""
        if issubclass(kind, self.errors):
            return True
        if self.named and any(_is_named(base, self.named) for base in kind.__mro__):
            return True
        if status is not None and self._has_status(status):
            return True
        if self.codes and codes and any(str(code).lower() in codes for code in self.codes):
            return True
        return not (self.errors or self.named or self.statuses or self.codes or self.when)

    def reads_text(self, status: int | None, codes: tuple[str, ...]) -> bool:
        """Return whether `says` may be looked for in an error with this status and these codes.

        The text of any other error may contain the words by chance.
        """
        if status is None:
            return bool(codes)
        return 400 <= status < 500 or self._has_status(status)

    def contains_phrase(self, error: BaseException, codes: tuple[str, ...]) -> bool:
        """Return whether an error's message or codes contain a phrase of `says`."""
        text = f"{message_of(error)} {' '.join(codes)}"
        return any(phrase in text if isinstance(phrase, str) else phrase.search(text) for phrase in self.says)

    def tests(self, error: BaseException) -> bool:
        """Return what `when` says of an error; False if it raises."""
        try:
            return self.when is not None and bool(self.when(error))
        except Exception:
            log.exception("the test of attribution row %r raised; the row is passed over", self.name)
            return False

    def matches(self, error: BaseException, status: int | None, codes: tuple[str, ...] = ()) -> bool:
        """Return whether this row applies to an error that carries this HTTP status (None if it has none) and codes."""
        if not self.names_error(type(error), status, codes) and not self.tests(error):
            return False
        return not self.says or (self.reads_text(status, codes) and self.contains_phrase(error, codes))

    def _has_status(self, status: int) -> bool:
        return any(status in wanted if isinstance(wanted, range) else status == wanted for wanted in self.statuses)


def _is_named(base: type, names: tuple[str, ...]) -> bool:
    return base.__name__ in names or f"{base.__module__.partition('.')[0]}.{base.__name__}" in names
