"""The file that `fuseboard scenario new` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

ADAPTERS = ("primary", "secondary")


def name_for(file: str | None) -> str:
    """Return the name of a scenario in a file: that of the file, without what a name cannot have."""
    stem = "" if file is None else Path(file).stem
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "my-scenario"


def starter(name: str, adapters: Sequence[str] = ADAPTERS) -> str:
    """Return a scenario with comments in which the first adapter goes down and comes back.

    Args:
        name: its name: lower case, digits, dashes.
        adapters: the names of its adapters, at least one.
    """
    first, others = _quoted(adapters[0]), [_quoted(adapter) for adapter in adapters[1:]]
    parts = "\n".join(
        f"  {adapter}: {{latency: {0.05 * place:.2g}}}" for place, adapter in enumerate([first, *others], start=1)
    )
    return f"""\
# Check it:  fuseboard scenario check {name}.yaml    Watch it:  fuseboard demo {name}.yaml
# All fields and faults: docs/scenarios.md. `fuseboard scenario schema scenario.json` lets an editor complete them.
scenario: {name}
title: {_quoted(f"{adapters[0]} goes down and comes back")}
about: What to watch for, in a sentence or two.
seed: 1         # the same seed gives the same run
duration: 30    # seconds

# Policies of every adapter. An adapter may have its own, as `breaker` and `retry` of its entry.
breaker: {{failure_threshold: 5, recovery_timeout: 3}}
retry: {{max_attempts: 2, base_delay: 0.05, attempt_timeout: 1}}

# `latency` is the median of a call, in seconds.
adapters:
{parts}

# The chain of each task type: its adapters in order.
preference:
  default: [{", ".join([first, *others])}]

traffic:
  - {{type: task, per_second: 10, deadline: 3}}

# `say` is the caption that spectators read.
timeline:
  - {{at: 0, say: All is well}}
  - {{at: 5, adapter: {first}, fault: refused, say: {_quoted(f"{adapters[0]} refuses connections")}}}
  - {{at: 15, adapter: {first}, heal: true, say: {_quoted(f"{adapters[0]} is back; its breaker is still open")}}}

expect:
  - states: {{{first}: [closed, open, half_open, closed]}}
    end: {{{first}: closed}}
    recovered_within: {{{first}: 8}}
{_failover(first, others) if others else "    success_rate: 0.4"}
"""


def _failover(first: str, others: Sequence[str]) -> str:
    return f"""\
    success_rate: 0.99
    failover_within: {{{first}: 2}}
  - between: [8, 14]
    route: [{first}, {others[0]}]"""


def _quoted(text: str) -> str:
    """Return a text as YAML: as it is, or between quotes where it could be read as something else."""
    plain = re.fullmatch(r"[A-Za-z][\w -]*[\w]|[A-Za-z]", text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text)


_WORDS = frozenset(("y", "n", "yes", "no", "true", "false", "on", "off", "null"))
"""Words that YAML does not read as texts."""
