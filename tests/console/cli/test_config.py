"""`fuseboard config`, run as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import PATIENCE

CONFIG = """name = "checkout"
preset = "llm"
[breaker]
failure_threshold = 3
[adapters.prefect]
url = "https://kim:hunter2@prefect.test/run"
options = { headers = { authorization = "Bearer abcdefghijkl", "x-api-key" = "topsecret" } }
[adapters.agno]
call = "json:dumps"
preset = "aggressive"
breaker = { recovery_timeout = 9 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.toml"
    path.write_text(CONFIG)
    return path


def fuseboard(*arguments: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    result = subprocess.run(
        [sys.executable, "-m", "fuseboard_console", "config", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=PATIENCE,
    )
    return result.returncode, result.stdout, result.stderr


def test_check_confirms_a_correct_file(file: Path) -> None:
    assert fuseboard("check", "f.toml", folder=file.parent) == (0, "f.toml: OK, 2 adapters\n", "")


def test_check_lists_every_mistake_and_exits_with_2(file: Path) -> None:
    file.write_text("[breaker]\nfailure_treshold = 3\njitter = 7\n[adapters.a]\ncall = 'json:dump'\n")
    code, out, err = fuseboard("check", "f.toml", folder=file.parent)
    assert (code, out) == (2, "")
    assert "f.toml:2: breaker.failure_treshold: there is no such field; did you mean failure_threshold?" in err
    assert "f.toml:3: breaker.jitter: " in err


def test_check_names_fields_presets_chain_members_and_imports_at_once(file: Path) -> None:
    file.write_text(
        'preset = "agressive"\n[breaker]\njitter = 7\n[adapters.a]\ncall = "json:dmps"\n'
        '[preferences]\ndefault = ["a", "aa"]\n'
    )
    code, _, err = fuseboard("check", "f.toml", folder=file.parent, FUSEBOARD__BREKER__FAILURE_THRESHOLD="3")
    assert code == 2
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["f.toml:1", "preset"],
        ["f.toml:3", "breaker.jitter"],
        ["f.toml:4", "adapters.a"],
        ["f.toml:7", "preferences.default.1"],
        [
            "environment variable FUSEBOARD__BREKER__FAILURE_THRESHOLD",
            "there is no such field; did you mean FUSEBOARD__BREAKER__FAILURE_THRESHOLD?",
        ],
    ]
    assert "did you mean aggressive?" in err
    assert "there is no adapter 'aa' here; did you mean a?" in err


def test_check_reports_wrong_values_and_missing_references_together(file: Path) -> None:
    file.write_text(
        '[adapters.eu]\ncall = "json:dumps"\nhealth = "json:nope"\ntags = 5\n[shutdown]\nsave = ["no_such:x"]\n'
        'hook = "https://x"\n[degradation.rag]\ncall = "json:dmps"\n'
    )
    code, _, err = fuseboard("check", "f.toml", folder=file.parent)
    assert code == 2
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["f.toml:3", "adapters.eu.health"],
        ["f.toml:4", "adapters.eu.tags"],
        ["f.toml:6", "shutdown.save.0"],
        ["f.toml:9", "degradation.rag.call"],
    ]


def test_check_imports_the_adapters_without_no_import(file: Path) -> None:
    file.write_text("adapters:\n  a: mine:call\n")
    file = file.rename(file.with_suffix(".yaml"))
    code, _, err = fuseboard("check", file.name, folder=file.parent)
    assert code == 2
    assert err.startswith("f.yaml:2: adapters.a: ")
    assert fuseboard("check", "--no-import", file.name, folder=file.parent)[0] == 0
    (file.parent / "mine.py").write_text("def call(task): return task\n")
    assert fuseboard("check", file.name, folder=file.parent)[0] == 0


def test_show_names_the_origin_of_each_value(file: Path) -> None:
    code, out, _ = fuseboard("show", "f.toml", folder=file.parent, FUSEBOARD__RETRY__MAX_ATTEMPTS="7")
    assert code == 0
    lines = {line.split(" = ")[0]: line.rpartition("  # ")[2] for line in out.splitlines()}
    assert lines["name"] == "f.toml:1"
    assert lines["breaker.failure_threshold"] == "f.toml:4"
    assert lines["breaker.success_threshold"] == "preset llm"
    assert lines["breaker.jitter"] == "default"
    assert lines["retry.max_attempts"] == "environment variable FUSEBOARD__RETRY__MAX_ATTEMPTS"
    assert lines["adapters.prefect.breaker.failure_threshold"] == "f.toml:4"
    assert lines["adapters.agno.breaker.success_threshold"] == "preset aggressive"
    assert lines["adapters.agno.breaker.recovery_timeout"] == "f.toml:11"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_show_hides_secrets(form: list[str], file: Path) -> None:
    _, out, _ = fuseboard("show", *form, "f.toml", folder=file.parent)
    assert not [secret for secret in ("hunter2", "abcdefghijkl", "topsecret") if secret in out]
    if form:
        assert json.loads(out)["adapters"]["prefect"]["url"] == "https://[hidden]@prefect.test/run"


def test_the_schema_is_written_to_a_file_or_printed(file: Path) -> None:
    code, out, _ = fuseboard("schema", folder=file.parent)
    assert code == 0 and json.loads(out)["title"] == "Fuseboard configuration"
    assert fuseboard("schema", "s.json", folder=file.parent) == (0, "", "")
    assert (file.parent / "s.json").read_text() == out
    assert fuseboard("schema", "none/s.json", folder=file.parent)[0] == 2


def test_presets_are_explained(file: Path) -> None:
    code, out, _ = fuseboard("presets", folder=file.parent)
    assert code == 0
    assert [line for line in out.splitlines() if line and line[0] != " "] == [
        "aggressive",
        "conservative",
        "llm",
        "http",
    ]
