"""The errors that the engine itself raises. An adapter's own error reaches the caller unchanged."""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from fuseboard_engine.error_text.provider_messages import without_body
from fuseboard_engine.error_text.redaction import safe_error_text

UNREADABLE = "(its text could not be read)"


def text_of(error: BaseException) -> str:
    """Return an error's text as an event may hold it; a substitute if `str()` of the error raises.

    Secrets are hidden, the body of an HTTP response is cut to the provider's own message, and the text to 8,000 bytes.
    """
    text = raw_text_of(error)
    return safe_error_text(without_body(text, error) if "{" in text or "<" in text else text)


def raw_text_of(error: BaseException) -> str:
    """Return an error's text as it is, which may hold secrets; a substitute if `str()` of the error raises."""
    try:
        return error.why if isinstance(error, CircuitOpen) else str(error)
    except Exception:
        return UNREADABLE


def rebuild_error(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Return an error of a class with these `args`, without its own `__init__`. Pickles refer to this function."""
    error = kind.__new__(kind, *args)
    built_in = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    built_in.__init__(error, *args)  # type: ignore[misc]
    return error


class FuseboardError(Exception):
    """Base of all errors of the engine. Each can be copied and pickled, whatever its `__init__` takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_error, (type(self), self.args), self.__dict__.copy()


class Rejected(FuseboardError):
    """An attempt was refused without calling the adapter. Says nothing about the adapter's health."""


class CircuitOpen(Rejected):
    """A breaker refused a call."""

    # No __init__ of its own: BaseException keeps the arguments, and a rejection has to be cheap.
    if TYPE_CHECKING:

        def __init__(self, adapter: str, retry_after: float | None, reason: str, last_error: str = "") -> None: ...

    @property
    def adapter(self) -> str:
        """Name of the adapter whose breaker refused."""
        return str(self.args[0])

    @property
    def retry_after(self) -> float | None:
        """Seconds until it may admit a call; None if only an operator can change that."""
        wait: float | None = self.args[1]
        return wait

    @property
    def reason(self) -> str:
        """`open`, `probe_in_flight` or `forced_open`."""
        return str(self.args[2])

    @property
    def last_error(self) -> str:
        """Text of the last failure; empty if there was none."""
        return str(self.args[3]) if len(self.args) > 3 else ""

    @property
    def why(self) -> str:
        """The reason and the last error, without the remaining time, so that it stays true."""
        if self.reason == "forced_open":
            text = f"{self.adapter} is held open by hand; an operator has to enable or reset it"
        elif self.reason == "probe_in_flight":
            text = f"{self.adapter} is half-open and its probe is still in flight"
        else:
            text = f"{self.adapter} is open"
        return f"{text} (last error: {self.last_error})" if self.last_error else text

    def __str__(self) -> str:
        if self.retry_after is None or self.reason != "open":
            return self.why
        return f"{self.why}; the next call is admitted in {self.retry_after:.3g} s"


class BulkheadFull(Rejected):
    """The adapter has no free slot within its limits of time and queue length."""


class NoThreadFree(Rejected):
    """A plain function could not be called: all threads are busy, or stuck in abandoned calls."""


class NoConnectionFree(Rejected):
    """An HTTP endpoint was not called: all connections that its adapter may open were in use until the timeout."""


class Unhealthy(FuseboardError):
    """An adapter's own health check reports that it does not work now."""


class MissingExtra(FuseboardError, ImportError):
    """An optional library that this feature needs is not installed."""


class AdapterDown(Rejected):
    """The adapter was not called because a health check found it down."""


class AttemptTimeout(FuseboardError, TimeoutError):
    """An attempt exceeded its timeout and was cancelled. It may still be ending in the background."""

    def __init__(self, adapter: str, seconds: float, what: str = "gave no answer") -> None:
        super().__init__(adapter, seconds)
        self.adapter = adapter
        self.seconds = seconds
        self.what = what

    def __str__(self) -> str:
        return f"timeout: {self.adapter} {self.what} within {self.seconds:.3g} s"


class LateTimeout(AttemptTimeout):
    """A timeout that this process noticed too late, because its event loop was busy. The adapter is not to blame.

    `late` is how many seconds the loop was late.
    """

    def __init__(self, adapter: str, seconds: float, late: float) -> None:
        super().__init__(adapter, seconds)
        self.late = late

    def __str__(self) -> str:
        return f"{super().__str__()}, but this process's event loop was {self.late:.3g} s late"


class AdapterCancelled(FuseboardError):
    """A call was cancelled from within (by its library, or a task or scope of its own), and not by its caller."""

    def __init__(self, adapter: str, detail: str = "") -> None:
        super().__init__(adapter, detail)
        self.adapter = adapter
        self.detail = detail

    @classmethod
    def by(cls, error: BaseException, adapter: str) -> Self:
        """Return the error for a call of an adapter that raised `error`, a `CancelledError`."""
        return cls(adapter, text_of(error))

    def __str__(self) -> str:
        return f"{self.adapter} cancelled its own work" + (f": {self.detail}" if self.detail else "")


class DeadlineExceeded(FuseboardError, TimeoutError):
    """The task's own deadline passed; no adapter is to blame."""


class SoftFailure(FuseboardError):
    """An adapter answered with a result that reports its own failure (such as `{"success": False}`)."""


class UnknownAdapter(FuseboardError, KeyError):
    """No adapter is registered under a name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none are registered yet"
        return f"no adapter is called {self.name!r}; known adapters: {known}"


class FaultsNotAllowed(FuseboardError):
    """A fault was to be injected into an engine that takes none."""

    def __init__(
        self,
        text: str = (
            "this engine takes no faults; make it with allow_faults=True, or start it with FUSEBOARD_ALLOW_FAULTS=1"
        ),
    ) -> None:
        super().__init__(text)


class UnpicklableError(FuseboardError):
    """Stands in a pickled result for an error that cannot be pickled. The text names its type and quotes it."""


def picklable(error: BaseException) -> BaseException:
    """Return the error if it survives pickling, else an `UnpicklableError` that describes it."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # whatever its `__reduce__`, its `__init__` or one of its attributes raises
        pass
    return UnpicklableError(describe(error))


def describe(error: BaseException) -> str:
    """Return an error's type and its text as an event may hold it, without the exception object."""
    name, text = type(error).__name__, text_of(error)
    return f"{name}: {text}" if text else name


def describe_raw(error: BaseException) -> str:
    """Return an error's type and its text as it is: for a breaker, which hides secrets when it shows the text."""
    name = type(error).__name__
    try:  # as `raw_text_of`, without the cost of a call
        text = error.why if isinstance(error, CircuitOpen) else str(error)
    except Exception:
        text = UNREADABLE
    return f"{name}: {text}" if text else name


if not TYPE_CHECKING:  # a type checker reads them where they are defined

    def __getattr__(name: str) -> object:
        """Return an error that is defined next to the route it carries; this was its module before."""
        if name in ("AllAdaptersFailed", "StreamBroken"):
            return getattr(import_module("fuseboard_engine.routing.route"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
