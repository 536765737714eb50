"""Error messages on the pages equal those that Fuseboard writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fuseboard import load_config
from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.scenario.model import Scenario
from support.paths import ROOT

CONFIGURATION = """\
name = "checkout"
preset = "http"



[breaker]
# misspelt
failure_treshold = 3
[adapters.echo]
call = "json:dumps"





[adapters.agno]
urll = "https://agno.example"
call = "json:loads"

[preferences]
default = ["agno", "echoo"]
"""
VARIABLES = {"FUSEBOARD__BREKER__JITTER": "0.2", "FUSEBOARD__RETRY__MAX_ATTEMPTS": "many"}


def test_the_configuration_errors_match_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "fuseboard.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DocumentError) as error:
        load_config("fuseboard.toml")
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert str(error.value).splitlines() == re.findall(r"^(?:fuseboard\.toml:|environment variable ).*", page, re.M)


def test_the_scenario_error_matches_the_page() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    scenario, *_ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    with pytest.raises(DocumentError) as error:
        parse(scenario.replace("failure_threshold", "failure_treshold"), Scenario, "mine.yaml")
    assert str(error.value) in page
