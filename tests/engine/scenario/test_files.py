"""Scenario files: valid ones are loaded; mistakes are reported with file, line, field and correction."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.faults.table import FAULTS
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_scenarios import shipped

SMALLEST = """\
scenario: smallest
title: One adapter, one stream of tasks
duration: 5
adapters:
  gpt: {}
traffic:
  - {per_second: 2}
"""


def mistakes(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(text, Scenario, "mine.yaml")
    return str(caught.value)


def test_the_smallest_scenario_needs_five_fields() -> None:
    scenario = parse(SMALLEST, Scenario, "mine.yaml")
    assert scenario.adapters["gpt"].latency == 0.05
    assert scenario.timeline == ()


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_is_valid_and_named_like_its_file(name: str) -> None:
    assert load(shipped()[name]).scenario == name


def test_a_misspelt_field_is_reported_with_its_line_and_a_suggestion() -> None:
    assert mistakes(SMALLEST + "breaker:\n  failure_treshold: 3\n") == (
        "mine.yaml:9: breaker.failure_treshold: there is no such field; did you mean failure_threshold?"
    )


def test_a_misspelt_field_inside_a_list_is_reported_with_its_line() -> None:
    assert mistakes(SMALLEST + "timeline:\n  - at: 1\n    adaptr: gpt\n    heal: true\n").startswith(
        "mine.yaml:10: timeline.0.adaptr: there is no such field; did you mean adapter?"
    )


def test_all_mistakes_are_reported_at_once() -> None:
    text = mistakes("scenario: Bad Name\ntitle: x\nduration: -1\nadapters: {gpt: {latency: .nan}}\n")
    assert [line.split(": ")[0] for line in text.splitlines()] == [
        "mine.yaml:1",
        "mine.yaml:1",
        "mine.yaml:3",
        "mine.yaml:4",
    ]
    assert "traffic: this field is required" in text


def test_inconsistencies_are_reported_together_with_wrong_values() -> None:
    text = mistakes(
        "scenario: Bad Name\ntitle: x\nduration: 5\nadapters: {gpt: {}}\npreference:\n  default: [gpt, nobody]\n"
        "traffic:\n  - {per_second: many}\ntimeline:\n  - at: 20\n    fault: refsed\n    adapter: gpt\n"
        "  - heal: true\nexpect:\n  end: {gtp: open}\n"
    )
    assert text.splitlines() == [
        "mine.yaml:1: scenario: write lower case letters, digits and dashes",
        "mine.yaml:6: preference.default.1: there is no adapter 'nobody' here; there are gpt",
        "mine.yaml:8: traffic.0.per_second: write a number, such as 1.5",
        "mine.yaml:10: timeline.0.at: 20 s is after the end at 5 s",
        "mine.yaml:11: timeline.0.fault: there is no 'refsed' here; did you mean refused?",
        "mine.yaml:13: timeline.1.at: this field is required",
        "mine.yaml:13: timeline.1: set the adapter of this step, or a tag",
        "mine.yaml:15: expect.end.gtp: there is no adapter 'gtp' here; did you mean gpt?",
    ]


def test_an_unknown_adapter_is_reported_with_its_line_and_the_known_ones() -> None:
    text = mistakes(
        SMALLEST + "timeline:\n  - {at: 1, adapter: gpt, fault: hang}\n  - {at: 2, adapter: x, fault: hang}\n"
    )
    assert text == "mine.yaml:10: timeline.1.adapter: there is no adapter 'x' here; there are gpt"


def test_every_unknown_adapter_is_reported_wherever_it_occurs() -> None:
    text = mistakes(
        SMALLEST
        + "preference:\n  default:\n    - gpt\n    - gtp\n"
        + "expect:\n  end:\n    gpt4: open\n  answered: {gpd: 1}\n"
    )
    assert text.splitlines() == [
        "mine.yaml:11: preference.default.1: there is no adapter 'gtp' here; did you mean gpt?",
        "mine.yaml:14: expect.end.gpt4: there is no adapter 'gpt4' here; did you mean gpt?",
        "mine.yaml:15: expect.answered.gpd: there is no adapter 'gpd' here; did you mean gpt?",
    ]


@pytest.mark.parametrize(
    ("what", "field", "said"),
    [
        ("timeline: [{at: 1, adapter: gpt, fault: refsed}]", "timeline.0.fault", "did you mean refused?"),
        ("timeline: [{at: 1, adapter: gpt, command: rest}]", "timeline.0.command", "did you mean reset?"),
        ("expect: {end: {gpt: half-open}}", "expect.end.gpt", "did you mean half_open?"),
        ("expect: {states: {gpt: [opened]}}", "expect.states.gpt.0", "did you mean open?"),
        ("expect: {end: {gpt: zzz}}", "expect.end.gpt", "there are closed, open,"),
    ],
)
def test_a_misspelt_fault_command_or_state_is_reported_with_a_suggestion(what: str, field: str, said: str) -> None:
    text = mistakes(f"{SMALLEST}{what}\n")
    assert text.startswith(f"mine.yaml:8: {field}: there is no ") and said in text


def test_a_list_whose_only_item_is_wrong_is_not_called_empty_too() -> None:
    text = mistakes(SMALLEST.replace("per_second: 2", "per_second: -2"))
    assert text == "mine.yaml:7: traffic.0.per_second: must be above 0"
    assert "traffic: name at least one" in mistakes(SMALLEST.replace("\n  - {per_second: 2}", " []"))


@pytest.mark.parametrize(("latency", "said"), [("0", "above 0"), ("1e300", "3153600000 or less")])
def test_a_number_beyond_a_limit_is_not_told_to_be_of_another_type(latency: str, said: str) -> None:
    text = mistakes(SMALLEST.replace("gpt: {}", f"gpt: {{latency: {latency}}}"))
    assert text.endswith(f": adapters.gpt.latency: must be {said}") and "\n" not in text


def test_a_step_has_exactly_one_action() -> None:
    text = mistakes(SMALLEST + "timeline:\n  - {at: 1, adapter: gpt, fault: hang, heal: true}\n")
    assert text.startswith("mine.yaml:9: timeline.0: a step has only one of fault, heal, command, set")


def test_a_step_after_the_end_is_refused() -> None:
    text = mistakes(SMALLEST + "timeline:\n  - {at: 6, adapter: gpt, heal: true}\n")
    assert text == "mine.yaml:9: timeline.0.at: 6 s is after the end at 5 s"


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ("start: 3, until: 2", "traffic.0.start: 3 s is not before until: 2 s, so there is no task"),
        ("start: 5", "traffic.0.start: 5 s is not before the end at 5 s, so there is no task"),
        ("start: 7, until: 9", "traffic.0.start: 7 s is not before the end at 5 s, so there is no task"),
    ],
)
def test_traffic_that_is_over_before_it_starts_is_refused(traffic: str, said: str) -> None:
    assert mistakes(SMALLEST.replace("per_second: 2", f"per_second: 2, {traffic}")) == f"mine.yaml:7: {said}"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("fault: hang, factor: 3", "factor: only fault: slow uses this; remove it"),
        ("fault: slow, rate: 0.3", "rate: only fault: flaky uses this; remove it"),
        ("heal: true, retry_after: 3", "retry_after: only fault: rate_limited uses this; remove it"),
        ("command: reset, seconds: 3", "seconds: only command: open_for uses this; remove it"),
        (
            "command: reset_all",
            "adapter: reset_all applies to every adapter; remove this, or write command: reset",
        ),
    ],
)
def test_a_field_without_effect_in_a_step_is_refused(step: str, said: str) -> None:
    text = mistakes(f"{SMALLEST}timeline:\n  - {{at: 1, adapter: gpt, {step}}}\n")
    assert text == f"mine.yaml:9: timeline.0.{said}"


def test_a_negative_number_of_expected_answers_is_refused() -> None:
    text = mistakes(SMALLEST + "expect: {answered: {gpt: -1}}\n")
    assert text == "mine.yaml:8: expect.answered.gpt: must be 0 or more"


def test_an_adapter_without_a_name_is_refused() -> None:
    assert mistakes(SMALLEST.replace("gpt: {}", "'': {}")) == "mine.yaml:5: adapters.: an adapter needs a name"


def test_a_field_given_twice_is_refused() -> None:
    assert mistakes(SMALLEST + "duration: 9\n") == "mine.yaml:8: duration is given twice; keep one"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.yaml: the file is empty"),
        ("- 1\n- 2\n", "mine.yaml:1: expected fields such as `name: value` at the top"),
        ("a: [1, 2\nb: 3\n", "mine.yaml:2: invalid YAML"),
        ("a: \x00", "mine.yaml:1: invalid YAML: it does not allow the character '\\x00'"),
        ("? [a, b]\n: 1\n", "mine.yaml:1: a field name must be a string"),
    ],
)
def test_a_document_that_is_not_a_scenario_is_refused_with_a_plain_message(text: str, said: str) -> None:
    assert mistakes(text).startswith(said)


def test_yaml_tags_execute_nothing() -> None:
    text = SMALLEST.replace("One adapter, one stream of tasks", "!!python/object/apply:os.system [exit 1]")
    assert "mine.yaml:2: title" in mistakes(text)


def test_a_yaml_alias_bomb_is_an_error_and_does_not_exhaust_memory() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    assert "too large" in mistakes(f"l0: &l0 [x]\n{levels}\n")


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"title: caf\xe9")
    with pytest.raises(DocumentError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_the_documents_name_every_fault_with_its_parameter() -> None:
    page = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text()
    for name, fault in FAULTS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        for parameter in fault.parameters:
            default = f"{parameter.default:g}" if isinstance(parameter.default, float) else parameter.default
            assert f"`{parameter.name}`" in row and f"({default})" in row


def test_the_library_is_listed_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text()
    listed = page.partition("| scenario | shows | lasts |\n|---|---|---|\n")[2].partition("\n\n")[0]
    scenarios = {name: load(path) for name, path in shipped().items()}
    assert listed.splitlines() == [
        f"| `{name}` | {one.title} | {one.duration:g} s |" for name, one in scenarios.items()
    ]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_is_narrated_and_expects_something(name: str) -> None:
    scenario = load(shipped()[name])
    assert scenario.about and scenario.expect
    assert len([step for step in scenario.timeline if step.say]) >= 3
    assert len(scenario.title) <= 110
