"""Values of every kind in files and in the environment: settings, or mistakes with their place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard_engine import DocumentError
from fuseboard_engine.config.loader import load_config
from fuseboard_engine.documents.loader import load_text
from support.hostile_values import DIGITS, YAML_VALUES
from support.waiting import PATIENCE

TOML_VALUES = (
    "2026-01-01", "2026-01-01T10:00:00Z", "10:00:00", "0000-01-01", "9999-12-31T23:59:59+23:59", DIGITS, f"-{DIGITS}",
    f"0x{'f' * 5_000}", f"{DIGITS}.5", "1e999999", "inf", "-inf", "nan", "'\\ud800'", '"\\ud800"', '"\\u0000"', "[]",
    "{}", "[[]]", "[" * 200, "{a = 1, b = {c = []}}", "true", "''", "maybe",
)  # fmt: skip
FIELDS = (
    "name", "preset", "retry.max_attempts", "retry.base_delay", "breaker.failure_threshold", "breaker.window_seconds",
    "execution.timeout", "logging.level", "logging.debug", "recording.path", "recording.retention",
    "dead_letters.max_retries", "reload.interval", "adapters.a", "adapters.a.call", "adapters.a.tags",
    "adapters.a.http", "adapters.a.breaker.failure_threshold", "preferences.default", "preferences", "adapters",
    "degraded.default", "shutdown.signals", "unknown", "fault_tolerance", "fault_tolerance.failure_threshold",
    "fault_tolerance.execution",
)  # fmt: skip


def check(path: Path | None, environment: dict[str, str], place: str) -> None:
    """Load a configuration: valid, or a `DocumentError` with a place, soon and in short."""
    began = time.perf_counter()
    try:
        load_config(path, environment=environment)
    except DocumentError as error:
        text = str(error)
        assert all(place in line for line in text.splitlines()[:1]), text
        assert len(text) < 20_000, len(text)
        text.encode()
        assert text.isprintable() or "\n" in text
        assert "Traceback" not in text
    assert time.perf_counter() - began < PATIENCE


def yaml_of(field: str, value: str) -> str:
    *sections, last = field.split(".")
    lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(sections)]
    return "\n".join([*lines, f"{'  ' * len(sections)}{last}: {value}", ""])


def toml_of(field: str, value: str) -> str:
    *sections, last = field.split(".")
    return (f"[{'.'.join(sections)}]\n" if sections else "") + f"{last} = {value}\n"


@pytest.mark.parametrize("field", FIELDS)
def test_any_yaml_value_is_accepted_or_a_mistake_with_a_line(field: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for value in YAML_VALUES:
        path.write_text(yaml_of(field, value))
        check(path, {}, "a.yaml")


@pytest.mark.parametrize("field", FIELDS)
def test_any_toml_value_is_accepted_or_a_mistake_with_a_line(field: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    for value in TOML_VALUES:
        path.write_text(toml_of(field, value))
        check(path, {}, "a.toml")


@pytest.mark.parametrize("field", FIELDS)
def test_any_value_in_the_environment_is_accepted_or_a_mistake_with_its_variable(field: str) -> None:
    variable = "FUSEBOARD__" + field.upper().replace(".", "__")
    for value in (*YAML_VALUES, "\udcff", "a\x00b", "\x1b]0;x\x07", "a\tb: c", "%", "@", "`", "a: b: c"):
        check(None, {variable: value}, variable)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(YAML_VALUES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(text=TEXTS, field=st.sampled_from(FIELDS))
def test_any_text_is_a_configuration_or_a_mistake(text: str, field: str, tmp_path: Path) -> None:
    files = (("a.yaml", text), ("a.yaml", yaml_of(field, text)), ("a.toml", text), ("a.toml", toml_of(field, text)))
    for name, whole in files:
        (tmp_path / name).write_text(whole, encoding="utf-8")
        check(tmp_path / name, {}, name)
    check(None, {"FUSEBOARD__" + field.upper().replace(".", "__"): text}, "FUSEBOARD__")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_a_mistake(data: bytes, tmp_path: Path) -> None:
    for name in ("a.yaml", "a.toml"):
        (tmp_path / name).write_bytes(data)
        check(tmp_path / name, {}, name)


@pytest.mark.parametrize("name", ["a.yaml", "a.toml"])
def test_a_byte_order_mark_is_read_over(name: str, tmp_path: Path) -> None:
    text = 'name = "shop"\n' if name.endswith("toml") else "name: shop\n"
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert load_config(tmp_path / name, environment={}).name == "shop"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "adapters:\n" + "".join(f"  a{n}: 'x'\n" for n in range(120_000))),
        ("a.toml", "[adapters]\n" + "".join(f"a{n} = 'x'\n" for n in range(120_000))),
        ("a.toml", "x = [" + "1," * 300_000 + "]\n"),
        ("a.toml", "".join(f"[s{n}]\nx = 1\n" for n in range(100_000))),
        ("a.yaml", "x" * 20_000_000),
        ("a.toml", "#" * 20_000_000),
    ],
    ids=range(6),
)
def test_an_endless_file_is_refused_quickly(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    began = time.perf_counter()
    with pytest.raises(DocumentError, match="too large"):
        load_config(tmp_path / name, environment={})
    assert time.perf_counter() - began < PATIENCE


def test_of_very_many_mistakes_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("".join(f"unknown{n} = 1\n" for n in range(3_000)))
    with pytest.raises(DocumentError) as refused:
        load_config(path, environment={})
    lines = str(refused.value).splitlines()
    assert (len(lines), lines[-1]) == (201, "and 2,800 more")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nreload:\n  interval: 2026-13-45\n", "a.yaml:3: '2026-13-45' is not a valid date"),
        ("name: !!bool maybe\n", "a.yaml:1: 'maybe' is not a valid true or false"),
        (f"name: x\nretry:\n  max_attempts: {DIGITS}\n", "a.yaml:3: the number has too many digits"),
        ("retry:\n  max_attempts: 0xffffffffffffffffff\n", "a.yaml:2: the number is too large"),
        ("retry:\n  base_delay: 12:30:00\n", "a.yaml:2: YAML reads 12:30:00 as 45000; write that, or quote the text"),
        ("retry:\n  base_delay: -1:30.5\n", "a.yaml:2: YAML reads -1:30.5 as -90.5; write that, or quote the text"),
        ("retry:\n  max_attempts: 010\n", "a.yaml:2: YAML reads 010 as 8; write that, or quote the text"),
        ("retry:\n  max_attempts: yes\n", "a number belongs here, not true, as YAML reads yes and on"),
        ("retry:\n  base_delay: no\n", "a.yaml:2: retry.base_delay: write a number, such as 1.5"),
        ("? [a]\n: x\n", "a.yaml:1: a field name must be a string, not a list or fields"),
    ],
)
def test_a_mistake_quotes_a_yaml_value_briefly(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError) as refused:
        load_config(path, environment={})
    assert str(refused.value).endswith(said)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("0", 0),
        ("0.5", 0.5),
        ("00.5", 0.5),
        ("0x10", 16),
        ("1_000", 1000),
        ("-0", 0),
        ("1.0e+3", 1000.0),
        ("'010'", "010"),
    ],
)
def test_numbers_that_mean_what_they_look_like_are_read(number: str, value: object) -> None:
    assert load_text(f"value: {number}", "a.yaml").data == {"value": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'name = "x"\n\n[retry]\nmax_attempts = {DIGITS}\n', "a.toml:4: invalid TOML: the number has too many digits"),
        (f"[retry]\nmax_attempts = 0x{'f' * 5_000}\n", "a.toml:2: retry.max_attempts: the number is too large"),
    ],
)
def test_a_mistake_quotes_a_toml_value_briefly(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(DocumentError) as refused:
        load_config(path, environment={})
    assert str(refused.value).endswith(said)


def test_a_path_that_is_not_a_file_is_a_mistake(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.toml", Path("/dev/zero"), Path("a\0b.toml"), tmp_path / "\udcff.toml"):
        with pytest.raises(DocumentError) as refused:
            load_config(path, environment={})
        str(refused.value).encode()
