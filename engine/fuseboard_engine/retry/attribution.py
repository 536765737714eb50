"""Failure attribution: one table that says whom an error blames and what follows from it.

Rows are tried in order and the first that matches applies. A user extends the table by putting rows of their own in
front of `DEFAULT_TABLE`. The table is the engine's only opinion about errors: breaker, retry and failover all read it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.retry.foreign_errors import codes_of, is_bare, retry_after_of, status_of
from fuseboard_engine.retry.rule import CallerError, Rule

__all__ = ["DEFAULT_TABLE", "CallerError", "Rule", "Table", "retry_after_of", "soft_failure_of", "status_of"]

_MOST_REMEMBERED = 1000
_MOST_MEMBERS = 100

_Key = tuple[type[BaseException], int | None, tuple[str, ...]]


def unknown_rule(name: str, known: Iterable[str]) -> str:
    """Return the error for a name that is the name of no rule."""
    names = list(known)
    near = get_close_matches(name, names, 1)
    return f"no attribution row is called {name!r}; {f'did you mean {near[0]}?' if near else ', '.join(names)}"


class Table:
    """Attribution rules in the order they are tried.

    Which rows can apply to a type of error with a status and codes is remembered; only texts and tests of users are
    looked at again.
    """

    __slots__ = ("_candidates", "_readings", "rules")

    def __init__(self, rules: tuple[Rule, ...] = DEFAULT_TABLE) -> None:
        self.set_rules(rules)

    def set_rules(self, rules: tuple[Rule, ...]) -> None:
        """Go by these rules from now on."""
        self.rules = rules
        self._candidates: dict[_Key, tuple[Rule, ...]] = {}
        # Of errors that carry nothing, by type; of system errors, by type and errno.
        self._readings: dict[type[BaseException] | tuple[type[BaseException], int | None], tuple[Rule, None]] = {}

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
        """Return the rule that applies to an error, and the seconds it asks to wait (None if it does not).

        A group of errors is judged by what all its members say, unless a row names the group itself.
        """
        bare = not error.__dict__ and error.__cause__ is None
        if bare and (reading := self._readings.get(type(error))) is not None:
            return reading
        if not bare or not is_bare(error):
            rule = self._rule(error, status_of(error), codes_of(error))
            if isinstance(error, BaseExceptionGroup) and (rule is self.rules[-1] or Exception in rule.errors):
                return self._read_group(error, rule)
            return rule, retry_after_of(error)
        if not isinstance(error, OSError) or isinstance(error, ConnectionError | TimeoutError):
            return self._remember(type(error), error, ())
        reading = self._readings.get((type(error), error.errno))
        return self._remember((type(error), error.errno), error, codes_of(error)) if reading is None else reading

    def _remember(
        self,
        key: type[BaseException] | tuple[type[BaseException], int | None],
        error: BaseException,
        codes: tuple[str, ...],
    ) -> tuple[Rule, None]:
        """Return the rule for an error that carries nothing but these codes, and remember it for others of its key."""
        reading = self._rule(error, None, codes), None
        certain = all(self._is_certain(row, error, None, codes) for row in self._rows(error, None, codes))
        if certain and len(self._readings) < _MOST_REMEMBERED:
            self._readings[key] = reading
        return reading

    def _rule(self, error: BaseException, status: int | None, codes: tuple[str, ...]) -> Rule:
        rows = self._rows(error, status, codes)
        for rule in rows:
            if self._is_certain(rule, error, status, codes) or rule.matches(error, status, codes):
                return rule
        return self.rules[-1]

    def _rows(self, error: BaseException, status: int | None, codes: tuple[str, ...]) -> tuple[Rule, ...]:
        """Return the rows that may apply to an error, up to the first that surely does."""
        key = type(error), status, codes
        rows = self._candidates.get(key)
        if rows is None:
            rows = tuple(self._find_rows(error, status, codes))
            if len(self._candidates) < _MOST_REMEMBERED:
                self._candidates[key] = rows
        return rows

    def _find_rows(self, error: BaseException, status: int | None, codes: tuple[str, ...]) -> Iterator[Rule]:
        for rule in self.rules:
            if rule.says and not rule.reads_text(status, codes):
                continue
            if rule.when is not None or rule.names_error(type(error), status, codes):
                yield rule
                if self._is_certain(rule, error, status, codes):
                    return

    @staticmethod
    def _is_certain(rule: Rule, error: BaseException, status: int | None, codes: tuple[str, ...]) -> bool:
        return not rule.says and (rule.when is None or rule.names_error(type(error), status, codes))

    def _read_group(self, group: BaseExceptionGroup[BaseException], otherwise: Rule) -> tuple[Rule, float | None]:
        """Return what the members of a group say together.

        If all say the same, that row applies. Otherwise the group counts if one of them counts, and is retried and
        failed over only if all of them may be.
        """
        readings = [self.read(member) for member in _members(group)]
        wait = max((wait for _, wait in readings if wait is not None), default=None)
        rules = {rule.name: rule for rule, _ in readings}
        if len(rules) == 1:
            return readings[0][0], wait
        counts = any(rule.counts for rule, _ in readings)
        retry = all(rule.retry for rule, _ in readings)
        failover = all(rule.failover for rule, _ in readings)
        reason = f"its parts failed differently: {', '.join(sorted(rules))}"
        return dataclasses.replace(otherwise, reason=reason, counts=counts, retry=retry, failover=failover), wait


def _members(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the errors in a group and in the groups within it, at most a hundred."""
    found: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting and len(found) < _MOST_MEMBERS:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            found.append(error)
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
