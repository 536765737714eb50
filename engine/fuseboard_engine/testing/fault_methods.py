"""A method for each fault of the table.

Written by `python tests/support/fault_methods.py`: change the table of faults, not this file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from fuseboard_engine.faults.injector import LONGEST, InjectedFault


class FaultMethods(ABC):
    """Puts faults into adapters: a method for each fault, by its name in a scenario.

    A fault takes the place of the one that the adapter has. `for_` is how many seconds it lasts, at most an hour, and
    `share` the share of the calls that meet it, 0..1. Each method raises UnknownAdapter if there is no such adapter,
    and ValueError for a value that the fault cannot have.
    """

    @abstractmethod
    def inject(
        self, adapter: str, fault: str, *, for_: float = LONGEST, share: float = 1.0, **values: Any
    ) -> InjectedFault:
        """Let the calls of an adapter meet a fault, by its name."""

    def refused(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter refuses connections."""
        return self.inject(adapter, "refused", for_=for_, share=share)

    def error(self, adapter: str, status: int = 503, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers `status`.

        Args:
            adapter: its name.
            status: HTTP status.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "error", for_=for_, share=share, status=status)

    def hang(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter never answers."""
        return self.inject(adapter, "hang", for_=for_, share=share)

    def slow(self, adapter: str, factor: float = 10.0, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter takes `factor` times its latency.

        Args:
            adapter: its name.
            factor: times the usual latency.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "slow", for_=for_, share=share, factor=factor)

    def flaky(self, adapter: str, rate: float = 0.5, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter fails at `rate`.

        Args:
            adapter: its name.
            rate: share of failing calls.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "flaky", for_=for_, share=share, rate=rate)

    def rate_limited(
        self,
        adapter: str,
        retry_after: float = 5.0,
        *,
        retry_after_as: Literal["attribute", "header", "milliseconds", "date", "none"] = "attribute",
        for_: float = LONGEST,
        share: float = 1.0,
    ) -> InjectedFault:
        """The adapter answers 429 with a Retry-After of `retry_after` seconds.

        Args:
            adapter: its name.
            retry_after: seconds it asks to wait.
            retry_after_as: attribute, header, milliseconds, date or none.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(
            adapter, "rate_limited", for_=for_, share=share, retry_after=retry_after, retry_after_as=retry_after_as
        )

    def credentials(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers 401."""
        return self.inject(adapter, "credentials", for_=for_, share=share)

    def soft_failure(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers with a result that reports its own failure."""
        return self.inject(adapter, "soft_failure", for_=for_, share=share)

    def corrupt(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers with JSON that ends early."""
        return self.inject(adapter, "corrupt", for_=for_, share=share)

    def empty(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers with an empty body."""
        return self.inject(adapter, "empty", for_=for_, share=share)

    def wrong_charset(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers in another charset than it says."""
        return self.inject(adapter, "wrong_charset", for_=for_, share=share)

    def exception(
        self,
        adapter: str,
        exception: Literal[
            "ConnectionResetError",
            "ConnectionAbortedError",
            "BrokenPipeError",
            "TimeoutError",
            "OSError",
            "PermissionError",
            "MemoryError",
            "RuntimeError",
            "ValueError",
            "TypeError",
            "KeyError",
            "LookupError",
            "NotImplementedError",
        ] = "RuntimeError",
        *,
        for_: float = LONGEST,
        share: float = 1.0,
    ) -> InjectedFault:
        """The adapter raises `exception`.

        Args:
            adapter: its name.
            exception: name of a built-in exception.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "exception", for_=for_, share=share, exception=exception)

    def quota(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers that its quota is spent."""
        return self.inject(adapter, "quota", for_=for_, share=share)

    def context_window(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers that the task is longer than its context window."""
        return self.inject(adapter, "context_window", for_=for_, share=share)

    def content_policy(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter answers that its content policy refuses the task."""
        return self.inject(adapter, "content_policy", for_=for_, share=share)

    def delayed(self, adapter: str, delay: float = 2.0, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter takes `delay` seconds longer.

        Args:
            adapter: its name.
            delay: seconds that a call, or data on its way, takes longer.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "delayed", for_=for_, share=share, delay=delay)

    def slow_ramp(
        self, adapter: str, limit: float = 5.0, *, over: float = 30.0, for_: float = LONGEST, share: float = 1.0
    ) -> InjectedFault:
        """The adapter gets slower over `over` seconds, up to `limit` seconds a call.

        Args:
            adapter: its name.
            limit: seconds that a call takes in the end.
            over: seconds until it takes so long.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "slow_ramp", for_=for_, share=share, limit=limit, over=over)

    def brown_out(self, adapter: str, capacity: int = 1, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """The adapter serves `capacity` calls at a time and answers 503 to others.

        Args:
            adapter: its name.
            capacity: calls that it serves at a time.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "brown_out", for_=for_, share=share, capacity=capacity)

    def flapping(
        self, adapter: str, down_for: float = 2.0, *, up_for: float = 2.0, for_: float = LONGEST, share: float = 1.0
    ) -> InjectedFault:
        """The adapter refuses connections for `down_for` seconds and answers for `up_for` seconds, again and again.

        Args:
            adapter: its name.
            down_for: seconds that it refuses.
            up_for: seconds that it answers.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "flapping", for_=for_, share=share, down_for=down_for, up_for=up_for)

    def halving(
        self, adapter: str, half_life: float = 5.0, *, for_: float = LONGEST, share: float = 1.0
    ) -> InjectedFault:
        """The adapter fails at first, and half as often every `half_life` seconds.

        Args:
            adapter: its name.
            half_life: seconds until it fails half as often.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "halving", for_=for_, share=share, half_life=half_life)

    def stream_broken(
        self, adapter: str, after_items: int = 3, *, for_: float = LONGEST, share: float = 1.0
    ) -> InjectedFault:
        """The adapter breaks a stream off after `after_items` items, and other answers before their end.

        Args:
            adapter: its name.
            after_items: items that still come.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "stream_broken", for_=for_, share=share, after_items=after_items)

    def stream_stalled(
        self, adapter: str, after_items: int = 3, *, for_: float = LONGEST, share: float = 1.0
    ) -> InjectedFault:
        """The adapter sends nothing more after `after_items` items of a stream, and no other answers.

        Args:
            adapter: its name.
            after_items: items that still come.
            for_: how many seconds the fault lasts.
            share: the share of the calls that meet it, 0..1.
        """
        return self.inject(adapter, "stream_stalled", for_=for_, share=share, after_items=after_items)
