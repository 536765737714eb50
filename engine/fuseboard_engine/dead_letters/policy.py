"""What a user decides about dead letters. Checked once, where it comes in."""

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
    capacity: Count = Field(default=10_000, description="letters the queue holds")
    when_full: Literal["reject", "evict_finished"] = Field(
        default="evict_finished", description="what happens to a new letter; one that waits never makes room"
    )
    max_retries: Count = Field(default=3, description="failed retries after which a letter is exhausted")
    automatic_retry: bool = Field(default=True, description="retry by schedule; else only when an operator asks")
    schedules: dict[Category, Schedule] = Field(
        default_factory=dict, description="per category; default: exponential, linear for resource, else never"
    )
    first_retry: Literal["at_once", "scheduled"] = Field(
        default="at_once", description="when the first retry is due: at once, or after the schedule's first wait"
    )
    categories: dict[str, Category] = Field(
        default_factory=dict, description="category per attribution row, for rows of your own or to change ours"
    )
    lease: SomeSeconds = Field(default=30.0, description="seconds after which a silent worker's letter is free again")
    poll: SomeSeconds = Field(default=5.0, description="seconds between two looks for letters others left")
    deferral: Seconds = Field(default=30.0, description="wait when a refusing breaker does not say how long")
    max_payload_bytes: Count = Field(default=1_000_000, description="a larger payload is refused")
    fail_closed: bool = Field(
        default=True, description="an unavailable store is an error; else letters wait in memory until it is back"
    )

    def schedule(self, category: Category) -> Schedule:
        """Return when letters of a category are retried by themselves."""
        if not self.automatic_retry:
            return "never"
        return self.schedules.get(category, SCHEDULES[category])

    @property
    def room(self) -> Capacity:
        """How much fits, and what makes room."""
        return Capacity(self.capacity, self.when_full == "evict_finished")
