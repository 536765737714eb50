"""Validation errors of documents: all reported at once, in line order, each with the correction."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from fuseboard_engine.config.loader import load_config
from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.documents.messages import NAME_PATTERN


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    needed: int


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = ""
    whole: int = 1
    number: float = 1.0
    finite: float = Field(default=1.0, allow_inf_nan=False)
    truth: bool = True
    many: tuple[str, ...] = ()
    some: tuple[str, ...] = Field(default=("a",), min_length=1)
    named: dict[str, int] = {}
    inner: Inner = Inner(needed=1)
    one_of: Literal["red", "green"] = "red"
    either: str | tuple[str, ...] = ""
    path: Path = Path()
    name: str = Field(default="x", pattern=NAME_PATTERN)
    odd: str = Field(default="a", pattern="^a+$")
    short: str = Field(default="x", min_length=1)
    above: int = Field(default=1, gt=0)
    least: float = Field(default=1.0, ge=0.5)
    below: int = Field(default=1, lt=5)
    most: int = Field(default=1, le=5)


def mistakes(text: str, name: str = "f.yaml") -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text, Everything, name)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("said", "reported"),
    [
        ("text: 5", 'text: write a text, such as "eu"'),
        ("whole: five", "whole: write a whole number, such as 5"),
        ("whole: 1.5", "whole: write a whole number, such as 5"),
        ("whole: [1]", "whole: write a whole number, such as 5"),
        ("number: fast", "number: write a number, such as 1.5"),
        ("finite: .nan", "finite: write a finite number"),
        ("truth: maybe", "truth: write true or false"),
        ("truth: [1]", "truth: write true or false"),
        ("many: eu", 'many: write a list, such as ["eu"]'),
        ("many: [eu, 5]", 'many.1: write a text, such as "eu"'),
        ("some: []", "some: name at least one"),
        ("named: 5", "named: write fields with their values"),
        ("inner: 5", "inner: write fields with their values"),
        ("inner: {}", "inner.needed: this field is required"),
        ("one_of: gren", "one_of: there is no 'gren' here; did you mean green?"),
        ("one_of: 5", "one_of: write one of red, green"),
        ("either: 5", 'either: write a text, such as "eu", or a list, such as ["eu"]'),
        ("path: 5", 'path: write a path, such as "checkout.db"'),
        ("name: My Name", "name: write lower case letters, digits and dashes"),
        ("odd: b", "odd: write what fits the pattern ^a+$"),
        ("short: ''", "short: must not be empty"),
        ("above: 0", "above: must be above 0"),
        ("least: 0.1", "least: must be 0.5 or more"),
        ("below: 5", "below: must be below 5"),
        ("most: 6", "most: must be 5 or less"),
        ("txt: a", "txt: there is no such field; did you mean text?"),
        ("inner: {xyz: 1, needed: 2}", "inner.xyz: there is no such field; known here: needed"),
    ],
)
def test_a_mistake_states_the_correction(said: str, reported: str) -> None:
    assert mistakes(said) == [f"f.yaml:1: {reported}"]


def test_mistakes_come_in_the_order_of_their_lines() -> None:
    text = "truth: maybe\nxyz: 1\ninner:\n  needed: x\nwhole: five\ntext: 5\n"
    assert [line.split(": ")[0] for line in mistakes(text)] == [f"f.yaml:{line}" for line in (1, 2, 4, 5, 6)]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("a = ", "1: invalid TOML: the value is missing or invalid; a text needs quotes"),
        ("a = 1\nb = hello", "2: invalid TOML: the value is missing or invalid"),
        ("a = 1\nb = [1,\n", "2: invalid TOML: "),
        ("a = 1\nb c = 2", "2: invalid TOML: a = is missing after the field's name"),
        ('a = "x\nb = 1', "1: invalid TOML: a quote is missing at the end of the line"),
        ("[a\n", "1: invalid TOML: a ] is missing"),
        ("[a]\n[a]\n", "2: invalid TOML: this section is given twice; keep one"),
        ("a = 1 b = 2", "1: invalid TOML: a field ends at the end of its line"),
    ],
)
def test_invalid_toml_is_reported_with_its_place_and_reason(text: str, reported: str) -> None:
    (line,) = mistakes(text, "f.toml")
    assert line.startswith(f"f.toml:{reported}")


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("a: b\n\x07c: d\n", "f.yaml:2: invalid YAML: it does not allow the character '\\x07'"),
        ("a: 1\nb: c: d\n", "f.yaml:2: invalid YAML: "),
        (f"a: {'[' * 5_000}", "f.yaml: invalid YAML: it is nested too deeply"),
    ],
)
def test_invalid_yaml_is_reported_with_its_place(text: str, reported: str) -> None:
    assert mistakes(text)[0].startswith(reported)


# ---------------------------------------------------------------- behind a wrong field


def of_config(folder: Path, text: str) -> list[str]:
    file = folder / "f.toml"
    file.write_text(text)
    with pytest.raises(DocumentError) as caught:
        load_config(file, environment={})
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_a_wrong_value_hides_no_other_mistake_in_its_section(tmp_path: Path) -> None:
    text = (
        '[adapters.eu]\nurl = "htp://x"\ntags = "eu"\n[adapters.us.breaker]\nfailure_threshold = "five"\n'
        'window_size = 3\nwindow_seconds = 4\nslow_call_rate = 0.5\n[[attribution]]\nname = ""\n'
    )
    assert of_config(tmp_path, text) == [
        "f.toml:2: adapters.eu.url: url must start with https:// or http://",
        'f.toml:3: adapters.eu.tags: write a list, such as ["eu"]',
        "f.toml:4: adapters.us.breaker: set window_size or window_seconds, not both",
        "f.toml:4: adapters.us.breaker: slow_call_rate and slow_call_seconds need each other; set both or neither",
        "f.toml:5: adapters.us.breaker.failure_threshold: write a whole number, such as 5",
        "f.toml:9: attribution.0: set what it applies to: errors, named, statuses, codes, says or when",
        "f.toml:10: attribution.0.name: must not be empty",
    ]


@pytest.mark.parametrize(
    "breaker",
    [
        'slow_call_rate = 0.5\nslow_call_seconds = "long"\n',
        "slow_call_rate = 0.5\nslow_call_secnds = 2\n",
        'recovery_timeout = "x"\nmax_recovery_timeout = 0.5\n',
    ],
)
def test_a_mistake_that_only_follows_from_a_wrong_value_is_not_reported(breaker: str, tmp_path: Path) -> None:
    assert len(of_config(tmp_path, f"[breaker]\n{breaker}")) == 1


def test_hostile_documents_are_refused_with_a_plain_message() -> None:
    strange: list[Any] = ["{1: 2}", "[{a: 1}, 5]", "{a: {b: {c: [1]}}}", ".nan", "null", "2020-01-01", "!!binary aGk="]
    for field in Everything.model_fields:
        for value in strange:
            try:
                parse(f"{field}: {value}\n", Everything, "f.yaml")
            except DocumentError as error:
                assert all(line.startswith("f.yaml:1: ") for line in str(error).splitlines())
