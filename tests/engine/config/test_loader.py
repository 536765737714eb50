"""The contents of a configuration file, and how its mistakes are reported."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from fuseboard_engine.config.loader import load_config
from fuseboard_engine.config.presets import PRESETS
from fuseboard_engine.config.settings import Settings, schema
from fuseboard_engine.documents.loader import DocumentError

NOTHING: dict[str, str] = {}


def write(folder: Path, text: str, name: str = "fuseboard.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def settings(folder: Path, text: str, name: str = "fuseboard.toml", **environment: str) -> Settings:
    return load_config(write(folder, text, name), environment=environment)


def mistakes(folder: Path, text: str, name: str = "fuseboard.toml", **environment: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        settings(folder, text, name, **environment)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


# ------------------------------------------------------------------ files

TOML = """
name = "checkout"

[breaker]
failure_threshold = 3

[adapters.prefect]
call = "json:dumps"
breaker = { recovery_timeout = 2 }

[adapters.agno]
url = "https://agno.test/run"
tags = ["ai"]

[preferences]
default = ["prefect", "agno"]
"""
YAML = """
name: checkout
breaker:
  failure_threshold: 3
adapters:
  prefect: {call: "json:dumps", breaker: {recovery_timeout: 2}}
  agno:
    url: https://agno.test/run
    tags: [ai]
preferences:
  default: [prefect, agno]
"""


def test_toml_and_yaml_give_the_same_configuration(tmp_path: Path) -> None:
    toml = settings(tmp_path, TOML)
    assert toml == settings(tmp_path, YAML, "fuseboard.yaml")
    assert toml.name == "checkout"
    assert toml.adapters["agno"].target == {"url": "https://agno.test/run"}


def test_PA04_settings_of_an_adapter_override_the_global_ones(tmp_path: Path) -> None:
    found = settings(tmp_path, TOML)
    prefect, _ = found.policies("prefect")
    assert (prefect.failure_threshold, prefect.recovery_timeout) == (3, 2.0)
    agno, _ = found.policies("agno")
    assert (agno.failure_threshold, agno.recovery_timeout) == (3, 1.0)
    assert found.policies("unknown") == (found.breaker, found.retry)


def test_a_file_in_the_seeds_format_is_accepted(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        """
fault_tolerance:
  enabled: true
  failure_threshold: 5          # Failures before opening circuit
  recovery_timeout: 60.0
  success_threshold: 3
  execution:
    strategy: "first_success"
    timeout: 30.0
    max_concurrent_adapters: 10
  health_monitoring:
    enabled: true
    check_interval: 30.0
    history_size: 100
  debug_mode: true
logging:
  level: DEBUG
""",
        "config.yaml",
    )
    assert (found.breaker.recovery_timeout, found.breaker.success_threshold) == (60.0, 3)
    assert (found.execution.strategy, found.health_monitoring.enabled) == ("first_success", True)
    assert (found.logging.debug, found.logging.level) == (True, "DEBUG")


def test_a_setting_given_in_two_places_is_refused(tmp_path: Path) -> None:
    text = "fault_tolerance:\n  failure_threshold: 5\nbreaker:\n  failure_threshold: 4\n"
    (line,) = mistakes(tmp_path, text, "c.yaml")
    assert line == "c.yaml:2: fault_tolerance.failure_threshold: breaker.failure_threshold is set too; keep one"


def test_exception_types_are_written_by_name(tmp_path: Path) -> None:
    text = '[retry]\nretry_on = ["ConnectionError", "httpx.TimeoutException"]\ngive_up_on = ["json.JSONDecodeError"]\n'
    found = settings(tmp_path, text).retry
    assert found.retry_on == (ConnectionError, httpx.TimeoutException)
    assert found.give_up_on == (json.JSONDecodeError,)


def test_attribution_rows_can_be_written_in_full(tmp_path: Path) -> None:
    text = '[[attribution]]\nname = "quota"\nstatuses = [402, "520-530"]\nsays = ["Quota"]\nretry = false\n'
    (row,) = settings(tmp_path, text).attribution
    rule = row.rule({})
    assert (rule.name, rule.retry, rule.failover) == ("quota", False, True)
    assert rule.statuses == (range(402, 403), range(520, 531))
    assert rule.says == ("quota",)


def test_off_disables_a_rule_in_toml_which_has_no_null(tmp_path: Path) -> None:
    found = settings(tmp_path, '[breaker]\nfailure_threshold = "off"\nfailure_rate = 0.5\n')
    assert found.breaker.failure_threshold is None
    assert (
        settings(tmp_path, "breaker:\n  failure_threshold: off\n  failure_rate: 0.5\n", "c.yaml").breaker
        == found.breaker
    )


def test_off_means_null_in_every_section(tmp_path: Path) -> None:
    text = """
dead_letters = "off"
[routing]
max_out_share = "off"
[recording]
path = "off"
retention = { events = "off", runs = "off" }
[shutdown]
exit_code = "off"
"""
    found = settings(tmp_path, text, FUSEBOARD__RECORDING__RETENTION__HOURS="off")
    assert found.dead_letters is None
    assert found.routing.max_out_share is None
    assert found.recording.path is None
    assert (found.recording.retention.events, found.recording.retention.runs) == (None, None)
    assert found.recording.retention.hours is None
    assert found.shutdown.exit_code is None
    (line,) = mistakes(tmp_path, '[shutdown]\ngrace = "off"\n')
    assert line.startswith("fuseboard.toml:2: shutdown.grace: ")


def test_an_adapter_can_be_given_by_its_target_alone(tmp_path: Path) -> None:
    found = settings(tmp_path, "adapters:\n  a: json:dumps\n  b: https://b.test/\n  c:\n", "c.yaml")
    assert [part.target for part in found.adapters.values()] == [
        {"call": "json:dumps"},
        {"url": "https://b.test/"},
        None,
    ]


def test_a_relative_recording_path_is_relative_to_the_configuration_file(tmp_path: Path) -> None:
    assert settings(tmp_path, '[recording]\npath = "checkout.db"\n').recording.path == tmp_path / "checkout.db"


# ------------------------------------------------------------------ presets


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_documented(name: str, tmp_path: Path) -> None:
    found = settings(tmp_path, f'preset = "{name}"\n')
    for section, fields in PRESETS[name].sections.items():  # type: ignore[index]
        for field, value in fields.items():
            assert getattr(getattr(found, section), field) == value
    assert len(PRESETS[name].about) > 80  # type: ignore[index]


def test_a_file_overrides_its_preset_and_an_adapters_preset_overrides_both(tmp_path: Path) -> None:
    text = """
preset = "llm"
[breaker]
success_threshold = 7
[adapters.fast]
preset = "aggressive"
breaker = { recovery_timeout = 9.0 }
[adapters.model]
"""
    found = settings(tmp_path, text)
    assert (found.breaker.success_threshold, found.breaker.recovery_timeout) == (7, 10.0)
    assert found.adapters["model"].breaker == found.breaker
    fast = found.adapters["fast"].breaker
    assert (fast.success_threshold, fast.recovery_timeout, fast.failure_threshold) == (1, 9.0, 3)


def test_a_window_of_one_kind_replaces_the_other_kind(tmp_path: Path) -> None:
    found = settings(tmp_path, 'preset = "http"\n[adapters.a.breaker]\nwindow_size = 50\n')
    assert (found.adapters["a"].breaker.window_size, found.adapters["a"].breaker.window_seconds) == (50, None)


# ------------------------------------------------------------------ environment


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        TOML,
        FUSEBOARD__BREAKER__FAILURE_THRESHOLD="9",
        FUSEBOARD__ADAPTERS__PREFECT__RETRY__MAX_ATTEMPTS="1",
        FUSEBOARD__FAULT_TOLERANCE__ENABLED="false",
        FUSEBOARD__PREFERENCES__DEFAULT="[agno]",
        FUSEBOARD_UNRELATED="x",
    )
    assert found.breaker.failure_threshold == 9
    assert found.policies("prefect")[1].max_attempts == 1
    assert found.fault_tolerance.enabled is False
    assert found.preferences["default"].order == ("agno",)


def test_the_environment_extends_a_short_form_in_the_file(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "adapters: {a: json:dumps, b: https://b.test/}\npreferences: {default: [b, a]}\n",
        "c.yaml",
        FUSEBOARD__ADAPTERS__A__RETRY__MAX_ATTEMPTS="1",
        FUSEBOARD__ADAPTERS__B__TAGS="[cheap]",
        FUSEBOARD__PREFERENCES__DEFAULT__ADAPTIVE="true",
    )
    assert (found.adapters["a"].target, found.adapters["a"].retry.max_attempts) == ({"call": "json:dumps"}, 1)
    assert (found.adapters["b"].target, found.adapters["b"].tags) == ({"url": "https://b.test/"}, ("cheap",))
    assert found.preferences["default"].as_tuple() == (("b", "a"), True, False)


def test_the_environment_alone_is_sufficient() -> None:
    found = load_config(environment={"FUSEBOARD__NAME": "checkout", "FUSEBOARD__PRESET": "http"})
    assert (found.name, found.retry.max_delay) == ("checkout", 5.0)


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    assert mistakes(tmp_path, TOML, FUSEBOARD__BREAKER__FAILURE_TRESHOLD="3") == [
        "environment variable FUSEBOARD__BREAKER__FAILURE_TRESHOLD: "
        "there is no such field; did you mean FUSEBOARD__BREAKER__FAILURE_THRESHOLD?"
    ]


# ------------------------------------------------------------------ mistakes


def test_all_mistakes_are_reported_at_once_with_line_field_and_suggestion(tmp_path: Path) -> None:
    text = """name = "checkout"
[breaker]
failure_treshold = 3
recovery_timeout = -1
[adapters.prefect]
call = "json:dumps"
[adapters.prefect.breaker]
jitter = 2
[adapters.agno]
urll = "https://agno.test"
[retry]
retry_on = [
  "ConectionError",
]
"""
    assert mistakes(tmp_path, text) == [
        "fuseboard.toml:3: breaker.failure_treshold: there is no such field; did you mean failure_threshold?",
        "fuseboard.toml:4: breaker.recovery_timeout: must be 0 or more",
        "fuseboard.toml:8: adapters.prefect.breaker.jitter: must be 1 or less",
        "fuseboard.toml:10: adapters.agno.urll: there is no such field; did you mean url?",
        "fuseboard.toml:12: retry.retry_on.0: ConectionError is not an exception type; did you mean ConnectionError?",
    ]


def test_a_mistake_in_the_global_settings_is_reported_once(tmp_path: Path) -> None:
    text = "breaker: {window_size: 3, window_seconds: 4}\nadapters: {a: {}, b: {}}\n"
    assert mistakes(tmp_path, text, "c.yaml") == ["c.yaml:1: breaker: set window_size or window_seconds, not both"]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (
            "adapters: {a: {call: 'json:dumps', url: 'https://a'}}",
            "an adapter has only one target: call, url or command; keep one",
        ),
        ("adapters: {a: {call: json.dumps}}", "call must be package.module:attribute"),
        ("adapters: {prefect: {}}\npreferences: {x: [perfect]}", "did you mean prefect?"),
        ("attribution: [{name: x}]", "set what it applies to"),
        ("attribution: [{name: x, statuses: [many]}]", "write an HTTP status"),
        ("preset: agressive", "did you mean aggressive?"),
        ("breaker: 5", "c.yaml:1: breaker: "),
        ("adapters: [a]", "c.yaml:1: adapters: "),
        ("recording: {retention: {evnts: 5}}", "did you mean events?"),
        ("logging: {level: LOUD}", "logging.level"),
        ("retry: {retry_on: [nosuchmodule.Error]}", "module 'nosuchmodule' cannot be imported"),
        ("breaker: {recovery_timeout: .nan}", "breaker.recovery_timeout"),
        ("adapters: {a: {health_monitoring: {check_intervall: 5}}}", "did you mean check_interval?"),
        ("adapters: {a: {call: 'json:dumps', health: check}}", "write 'check' as package.module:attribute"),
        ("adapters: {a: {failed: 'json:loads'}}", "failed needs a call, url or command"),
        ("adapters: {a: {}}\npreferences: {x: {order: [a], adaptiv: true}}", "did you mean adaptive?"),
        (
            "adapters: {prefect: {}}\npreferences: {x: {order: [perfect]}}",
            "c.yaml:2: preferences.x.order.0: there is no",
        ),
        ("preferences: {x: {adaptive: true}}", "preferences.x.order: this field is required"),
        ("preferences: {x: 5}", "c.yaml:1: preferences.x: "),
        ("degradation: {x: {timeout: 2}}", "degradation.x: a task type has only one fallback: set answer or call"),
        (
            "degraded: {x: y}\ndegradation: {x: {call: 'json:dumps'}}",
            "c.yaml:2: degradation.x: a task type has only one fallback",
        ),
        ("degradation: {x: {answer: {approved: true}}}", "degradation.x.answer: "),
        ("degradation: {x: {answer: y, timeout: 0}}", "degradation.x.timeout"),
        ("shutdown: {signals: [SIGTERN]}", "there is no signal 'SIGTERN' on this system; did you mean SIGTERM?"),
        ("shutdown: {hook: tell}", "write 'tell' as package.module:attribute"),
        ("shutdown: {hook: []}", "a command needs at least the program's name"),
        ("shutdown: {grace: -1}", "c.yaml:1: shutdown.grace: "),
        ("reload: {interval: 0}", "reload.interval"),
        ("recording: {buffer_size: 0}", "recording.buffer_size"),
    ],
)
def test_invalid_settings_are_refused_with_a_reason(text: str, reported: str, tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, text + "\n", "c.yaml")
    assert reported in line


@pytest.mark.parametrize(
    ("name", "text", "reported"),
    [
        ("a.toml", 'x = "a\n', "a.toml:1: invalid TOML: "),
        ("a.toml", "[a]\nx = 1\nx = 2\n", "a.toml:3: invalid TOML: this is given twice; keep one"),
        ("a.toml", "", "a.toml: the file is empty"),
        ("a.yaml", "a: [\n", "invalid YAML"),
        ("a.yaml", "a: 1\na: 2\n", "a.yaml:2: a is given twice; keep one"),
    ],
)
def test_an_unreadable_document_is_reported_with_its_place(name: str, text: str, reported: str, tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, text, name)
    assert reported in line


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.toml")


# ------------------------------------------------------------------ schema


def test_the_schema_is_json_and_contains_every_field() -> None:
    made = json.loads(json.dumps(schema()))
    assert set(made["properties"]) == set(Settings.model_fields)
    assert made["additionalProperties"] is False
    breaker = made["$defs"]["BreakerPolicy"]["properties"]
    assert breaker["failure_threshold"]["description"]
    assert made["$defs"]["RetrySection"]["properties"]["retry_on"]["items"]["type"] == "string"


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("FUSEBOARD__BREKER__X", "did you mean FUSEBOARD__BREAKER__...?"),
        ("FUSEBOARD__BREAKER__JITER", "did you mean FUSEBOARD__BREAKER__JITTER?"),
        ("FUSEBOARD__PRESETT", "did you mean FUSEBOARD__PRESET?"),
    ],
)
def test_a_misspelt_variable_is_reported_as_such_and_not_as_the_files_mistake(
    variable: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("name: shop\nbreaker: {jitter: 0.1}\nadapters: {a: {}}\n")
    with pytest.raises(DocumentError) as caught:
        load_config(tmp_path / "c.yaml", environment={variable: "3"})
    assert str(caught.value) == f"environment variable {variable}: there is no such field; {said}"
