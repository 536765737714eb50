"""`fuseboard preferences`, as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import PATIENCE


def preferences(*arguments: str, home: Path) -> tuple[int, str, str]:
    result = subprocess.run(
        [sys.executable, "-m", "fuseboard_console", "preferences", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_CONFIG_HOME": str(home)},
        timeout=PATIENCE,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "fuseboard").mkdir()
    return tmp_path / "fuseboard" / "console.toml"


def test_the_path_is_printed_whether_or_not_the_file_exists(file: Path, tmp_path: Path) -> None:
    assert preferences("--path", home=tmp_path) == (0, f"{file}\n", "")


def test_without_a_file_it_prints_a_command_that_creates_one(tmp_path: Path) -> None:
    home = tmp_path / "my settings"
    code, out, err = preferences(home=home)
    assert (code, out) == (0, "")
    sentence, line = err.splitlines()
    assert sentence.startswith(f"{home}/fuseboard/console.toml does not exist")
    command = line.replace(" fuseboard ", f" {sys.executable} -m fuseboard_console ")
    subprocess.run(command, shell=True, check=True, timeout=PATIENCE, env={**os.environ, "XDG_CONFIG_HOME": str(home)})
    assert preferences("--check", home=home)[0] == 0


def test_a_new_file_has_no_mistakes_and_is_printed_as_it_is(file: Path, tmp_path: Path) -> None:
    code, text, _ = preferences("--default", home=tmp_path)
    assert code == 0
    file.write_text(text)
    assert preferences("--check", home=tmp_path) == (0, f"{file}: OK\n", "")
    assert preferences(home=tmp_path) == (0, text, "")


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_mistakes_exit_with_2(option: list[str], file: Path, tmp_path: Path) -> None:
    file.write_text('[keys]\nrest = "x"\n')
    code, out, err = preferences(*option, home=tmp_path)
    assert (code, out) == (2, "")
    assert err == f"{file}:2: keys.rest: unknown action; did you mean reset?\n"
