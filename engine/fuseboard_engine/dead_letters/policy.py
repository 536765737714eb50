"""The policy for dead letters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fuseboard_engine.dead_letters.letter import Capacity, Category
from fuseboard_engine.policy_base import Count, Policy, Seconds, SomeSeconds

Strategy = Literal["automatic", "selective", "manual", "disabled"]
Schedule = Literal["never", "immediate", "linear", "exponential"]

SCHEDULES: dict[Category, Schedule] = {
    "transient": "exponential",
    "network": "exponential",
    "resource": "linear",
    "permission": "never",
    "validation": "never",
    "permanent": "never",
}


class DeadLetterPolicy(Policy):
    """Which tasks become dead letters, when they are retried, and how many are kept.

    Raises:
        pydantic.ValidationError: a value is out of range, or a name is misspelt.
    """

    strategy: Strategy = Field(
        default="automatic",
        description="automatic: every exhausted route; selective: transient, network and resource failures; "
        "manual: only what the application enqueues itself; disabled: nothing",
    )
    capacity: Count = Field(default=10_000, description="maximum number of letters")
    when_full: Literal["reject", "evict_finished"] = Field(
        default="evict_finished", description="what happens to a new letter; a waiting one is never evicted"
    )
    max_retries: Count = Field(default=3, description="failed retries after which a letter is exhausted")
    automatic_retry: bool = Field(default=True, description="retry by schedule; else only on an operator's command")
    schedules: dict[Category, Schedule] = Field(
        default_factory=dict, description="per category; default: exponential, linear for resource, else never"
    )
    first_retry: Literal["at_once", "scheduled"] = Field(
        default="at_once", description="when the first retry is due: at once, or after the schedule's first wait"
    )
    categories: dict[str, Category] = Field(
        default_factory=dict, description="category per attribution row, for custom rows or to override built-in ones"
    )
    lease: SomeSeconds = Field(
        default=30.0, description="seconds after which the letter of an unresponsive worker is released"
    )
    poll: SomeSeconds = Field(default=5.0, description="seconds between checks for letters of other processes")
    deferral: Seconds = Field(default=30.0, description="seconds to wait when a refusing breaker does not say how long")
    commit_timeout: SomeSeconds = Field(
        default=15.0, description="seconds that a task waits until its letter is stored; storing then goes on alone"
    )
    max_payload_bytes: Count = Field(default=1_000_000, description="a larger payload is refused")
    fail_closed: bool = Field(
        default=True, description="an unavailable store is an error; else letters wait in memory until it recovers"
    )

    def schedule(self, category: Category) -> Schedule:
        """Return when letters of a category are retried automatically."""
        if not self.automatic_retry:
            return "never"
        return self.schedules.get(category, SCHEDULES[category])

    @property
    def room(self) -> Capacity:
        """The capacity, and what is evicted."""
        return Capacity(self.capacity, self.when_full == "evict_finished")
