"""Scenario files that nobody would write: each mistake is an error with its line, before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.scenario.model import Scenario, load
from support.paths import CASES

WHOLE: dict[str, Any] = yaml.safe_load((CASES / "scenarios" / "everything.yaml").read_text(encoding="utf-8"))
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    st.text(max_size=5),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.none()), st.integers(), max_size=2),
    st.sampled_from(["gpt", "off", "closed", "os:getcwd", "http://127.0.0.1", "a.b.c", "1e999", "\x00", "\ud800"]),
)


def locations(part: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the location of each value in plain data."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [place for key, value in items for place in [(*above, key), *locations(value, (*above, key))]]


def with_value(part: Any, where: tuple[Any, ...], value: Any) -> Any:
    if not where:
        return value
    copy = part.copy()
    copy[where[0]] = with_value(part[where[0]], where[1:], value)
    return copy


def read(text: str) -> list[str]:
    """Return the errors of a scenario file, each of which must name its line."""
    try:
        parse(text, Scenario, "mine.yaml")
    except DocumentError as error:
        lines = str(error).splitlines()
        assert lines
        for line in lines:
            assert re.match(r"mine\.yaml(:\d+)?: |\d+ more|…|\.\.\.|and ", line), line
        return lines
    return []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(locations(WHOLE)), HOSTILE)
@example(("adapters", "gpt", "tags", 0), "\ud800")  # half a character in the text of an error
def test_any_value_anywhere_is_valid_or_an_error_with_its_line(where: tuple[Any, ...], value: Any) -> None:
    try:
        text = yaml.safe_dump(with_value(WHOLE, where, value), allow_unicode=True)
        text.encode()
    except (UnicodeEncodeError, yaml.YAMLError):
        return
    read(text)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(locations(WHOLE)), st.text(min_size=1, max_size=8).filter(str.isprintable))
def test_an_unknown_field_anywhere_is_an_error_or_a_name(where: tuple[Any, ...], name: str) -> None:
    part: Any = WHOLE
    for step in where:
        part = part[step]
    if isinstance(part, dict):
        read(yaml.safe_dump(with_value(WHOLE, where, {**part, name: "x"}), allow_unicode=True))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "too large or nested too deeply"),
        ("scenario: &a [*a]\n", ""),
        ("[" * 5000, ""),
        ("scenario: x\nduration: 2026-01-01\n", "mine.yaml:2: duration: "),
        ("scenario: x\nduration: .inf\n", "mine.yaml:2: duration: "),
        ("scenario: x\nduration: -1\n", "mine.yaml:2: duration: "),
        ("scenario: x\nduration: .nan\n", "mine.yaml:2: duration: "),
        ("- a\n- b\n", ""),
        ("just text", ""),
        ("", ""),
        ("scenario: !!python/object/apply:os.getcwd []\n", ""),
    ],
    ids=range(11),
)
def test_what_no_scenario_can_be_is_an_error(text: str, message: str) -> None:
    assert message in "\n".join(read(text) or ["nothing was found"])
    assert read(text)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00\x01", b"SQLite format 3\x00" + bytes(100), b"scenario: \xe9t\xe9\n"]
)
def test_a_file_that_is_not_text_is_an_error(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(DocumentError, match=r"mine\.yaml"):
        load(file)
