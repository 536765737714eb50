"""The preferences file: its settings and its error messages."""

from __future__ import annotations

import re
import time
import tomllib
from argparse import ArgumentParser
from dataclasses import fields, replace
from pathlib import Path

import pytest
from textual.theme import BUILTIN_THEMES, Theme

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.cli.preference_arguments import add_preferences, preferences_of
from fuseboard_console.preferences.file import (
    current_preferences,
    default_file,
    parse_preferences,
    preferences_path,
    read_preferences,
)
from fuseboard_console.preferences.model import Preferences
from fuseboard_console.preferences.paths import state_folder
from fuseboard_console.preferences.theme_names import BUILT_IN, theme_id, theme_names
from fuseboard_console.text.formatting import clock
from fuseboard_console.text.glyphs import UNICODE, glyphs_for
from fuseboard_console.text.line import text_of
from fuseboard_console.tui.themes import THEMES, palette_of
from fuseboard_console.views.frame.seek_bar import SeekView, seek_bar
from fuseboard_console.views.selection.layout import LAYOUTS
from fuseboard_engine.documents.loader import DocumentError
from support.paths import ROOT


def said(text: str) -> Preferences:
    return parse_preferences(text, "console.toml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        said(text)
    return str(caught.value).splitlines()


def in_force() -> str:
    """The default file with every setting in force."""
    return "\n".join(re.sub(r"^#(?=\w)", "", line) for line in default_file().splitlines())


# ---------------------------------------------------------------- what it may say


def test_missing_settings_have_their_defaults() -> None:
    assert said('theme = "light"') == Preferences(theme="light")


@pytest.mark.parametrize("text", ["", "\n\n", "# theme = 'light'\n  # nothing\n"])
def test_an_empty_file_gives_the_defaults(text: str) -> None:
    assert said(text) == Preferences()


def test_every_preference_can_be_set() -> None:
    preferences = said(
        'theme = "nord"\nglyphs = "ascii"\nmouse = false\nlayout = "routes"\ncompact = true\nglow = false\n'
        'bell = "both"\nclock = "utc"\n[columns]\nbreakers = ["state", "name", "error"]\n'
        '[keys]\nreset = "ctrl+r"\nhelp = ["?", "F1"]\ntheme = []\n'
    )
    assert preferences == Preferences(
        theme="nord",
        glyphs="ascii",
        mouse=False,
        layout="routes",
        compact=True,
        glow=False,
        bell="both",
        clock="utc",
        columns={"breakers": ("state", "name", "error")},
        keys={"reset": ("ctrl+r",), "help": ("question_mark", "f1"), "theme": ()},
    )


def test_the_default_file_as_it_is_changes_nothing() -> None:
    assert said(default_file()) == Preferences()


def test_the_default_file_with_every_line_active_gives_the_defaults() -> None:
    preferences = said(in_force())
    assert preferences.keys == {action.id: action.keys for action in ACTIONS}
    assert preferences.columns == {"breakers": ()}
    plain = [field.name for field in fields(Preferences) if field.name not in ("keys", "columns")]
    assert [getattr(preferences, name) for name in plain] == [getattr(Preferences(), name) for name in plain]


def test_the_default_file_names_every_layout_and_theme() -> None:
    assert all(name in default_file() for name in (*LAYOUTS, *theme_names()))


def test_the_names_of_the_built_in_themes_match_the_palettes() -> None:
    assert [theme_id(name) for name in BUILT_IN] == [theme.name for theme in THEMES]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_a_theme_is_taken_by_the_name_that_the_screen_lists_it_by(theme: Theme) -> None:
    assert theme_id(said(f'theme = "{theme.name}"').theme) == theme.name
    assert theme_id(options("--no-preferences", "--theme", theme.name).theme) == theme.name


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('\nthme = "dark"', "console.toml:2: thme: there is no such field; did you mean theme?"),
        ('theme = "drak"', "console.toml:1: theme: unknown theme 'drak'; did you mean dark?"),
        ('theme = "fuseboard-lite"', "unknown theme 'fuseboard-lite'; did you mean fuseboard-light?"),
        ('theme = "solarized"', "unknown theme 'solarized'; did you mean solarized-dark?"),
        ('layout = "route"', "console.toml:1: layout: unknown layout 'route'; did you mean routes?"),
        ('glyphs = "asci"', "console.toml:1: glyphs: there is no 'asci' here; did you mean ascii?"),
        ('bell = "loud"', "console.toml:1: bell: there is no 'loud' here; there are none, bell, notify, both"),
        ('[keys]\nrest = "x"', "console.toml:2: keys.rest: unknown action; did you mean reset?"),
        ('[keys]\nhelp = "enterr"', "console.toml:2: keys.help: unknown key 'enterr'; did you mean enter?"),
        (
            '[keys]\ntheme = "q"',
            "console.toml:2: keys.theme: q is also the key of quit; choose another key for one of them",
        ),
        (
            '[keys]\nhelp = "ctrl+k"\nquit = "ctrl+k"',
            "console.toml:3: keys.quit: ctrl+k is also the key of help; choose another key for one of them",
        ),
        ('[columns]\nbreakers = ["name", "erorr"]', "there is no column 'erorr'. Did you mean error?"),
        ('[columns]\nbreakers = ["name", "ok", "ok"]', "twice"),
        ('[columns]\nbraekers = ["name"]', "unknown table; did you mean breakers?"),
        ("theme = ", "invalid TOML"),
        ('mouse = "no"', "console.toml:1: mouse: write true or false"),
        ('glow = "yes"', "console.toml:1: glow: write true or false"),
        ("compact = 1", "console.toml:1: compact: write true or false"),
    ],
)
def test_an_error_is_reported_with_its_line_and_a_suggestion(text: str, told: str) -> None:
    (sentence,) = mistakes(text)
    assert told in sentence
    assert sentence.startswith("console.toml")


def test_all_errors_are_reported_together() -> None:
    found = mistakes('theme = "drak"\nlayout = "x"\n[columns]\nbreakers = ["nam", "name"]\n[keys]\nrest = "x"\n')
    assert [line.split(": ")[1] for line in found] == ["theme", "layout", "columns.breakers", "keys.rest"]


def test_all_errors_are_reported_beside_values_of_a_wrong_type() -> None:
    found = mistakes(
        'theme = 5\nlayout = "wiide"\ncompact = "maybe"\n[columns]\nbreakers = ["nam"]\nbraekers = ["name"]\n'
        '[keys]\nquit = 5\nrest = "r"\nsort = "no-such-key"\nhelp = "ctrl+k"\nreset = "ctrl+k"\n'
    )
    assert [line.removeprefix("console.toml:").split(";")[0].split(". There")[0] for line in found] == [
        '1: theme: write a text, such as "eu"',
        "2: layout: unknown layout 'wiide'",
        "3: compact: write true or false",
        "5: columns.breakers: there is no column 'nam'. Did you mean name?",
        "6: columns.braekers: unknown table",
        '8: keys.quit: write a list, such as ["eu"]',
        "9: keys.rest: unknown action",
        "10: keys.sort: unknown key 'no-such-key'",
        "11: keys.help: ctrl+k is also the key of reset",
    ]


# ---------------------------------------------------------------- where it is


def test_the_environment_may_name_the_file() -> None:
    assert preferences_path({"FUSEBOARD_CONSOLE": "/a/b.toml"}) == Path("/a/b.toml")
    assert preferences_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/fuseboard/console.toml")
    assert preferences_path({"XDG_CONFIG_HOME": "not/absolute", "HOME": "/h"}) == Path(
        "/h/.config/fuseboard/console.toml"
    )


def test_a_path_may_start_with_a_tilde() -> None:
    assert preferences_path({"FUSEBOARD_CONSOLE": "~/b.toml", "HOME": "/h"}) == Path("/h/b.toml")


def test_an_account_without_a_home_has_its_files_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 54_321_987)  # as in a container: no account has this number
    assert preferences_path({}) == Path("/.config/fuseboard/console.toml")
    assert state_folder({}) == Path("/.local/state/fuseboard")


def test_without_a_file_the_defaults_apply(tmp_path: Path) -> None:
    assert current_preferences({"XDG_CONFIG_HOME": str(tmp_path)}) == Preferences()


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"gone\.toml: cannot be read"):
        current_preferences({"FUSEBOARD_CONSOLE": str(tmp_path / "gone.toml")})


def test_a_file_must_be_text_with_a_known_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"theme = '\xff'")
    with pytest.raises(DocumentError, match="not UTF-8"):
        read_preferences(tmp_path / "a.toml")
    (tmp_path / "a.conf").write_text("theme = 'light'")
    with pytest.raises(DocumentError, match=r"the name must end in \.toml"):
        read_preferences(tmp_path / "a.conf")


# ---------------------------------------------------------------- with the options


def options(*arguments: str) -> Preferences:
    parser = ArgumentParser()
    add_preferences(parser)
    return preferences_of(parser.parse_args(arguments))


def test_options_override_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "console.toml"
    file.write_text('theme = "light"\nglyphs = "unicode"\nbell = "both"\n')
    monkeypatch.setenv("FUSEBOARD_CONSOLE", str(file))
    assert options() == Preferences(theme="light", glyphs="unicode", bell="both")
    given = options("--theme", "nord", "--ascii", "--compact", "--no-mouse")
    assert given == Preferences(theme="nord", glyphs="ascii", bell="both", compact=True, mouse=False)
    assert options("--no-preferences") == Preferences()


def test_a_file_with_errors_is_reported_with_a_workaround(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "console.toml"
    file.write_text('theme = "drak"\n')
    monkeypatch.setenv("FUSEBOARD_CONSOLE", str(file))
    with pytest.raises(DocumentError, match=r"did you mean dark\?\nCorrect the file, or .* --no-preferences\."):
        options()


def test_an_unknown_theme_is_answered_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options("--theme", "gruvbux")
    assert "unknown theme 'gruvbux'. Did you mean gruvbox?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "unicode"),
        ({"LANG": "en_GB.UTF-8"}, "unicode"),
        ({"LANG": "C.utf8"}, "unicode"),
        ({"LANG": "C"}, "unicode"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "de_DE.ISO-8859-1@euro"}, "ascii"),
        ({"LANG": "en_GB.UTF-8", "TERM": "linux"}, "ascii"),
        ({"TERM": "vt220"}, "ascii"),
    ],
)
def test_auto_selects_the_glyphs_that_terminal_and_locale_support(environment: dict[str, str], name: str) -> None:
    assert glyphs_for("auto", environment).name == name


def test_explicitly_selected_glyphs_are_used_on_any_terminal() -> None:
    assert glyphs_for("unicode", {"TERM": "linux"}).name == "unicode"
    assert glyphs_for("ascii", {}).name == "ascii"


@pytest.mark.parametrize("name", theme_names())
def test_every_theme_has_a_palette(name: str) -> None:
    theme = {theme.name: theme for theme in (*THEMES, *BUILTIN_THEMES.values())}[theme_id(name)]
    assert palette_of(theme, ascii_only=True)["bad"].bold


def test_the_documented_preferences_are_complete_and_valid() -> None:
    page = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    preferences = said(example)
    shown = tomllib.loads(example)
    assert list(shown) == [field.name for field in fields(Preferences)]
    assert replace(preferences, keys={}, columns={}) == Preferences()
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE) == [
        (name, layout.about) for name, layout in LAYOUTS.items()
    ]


def test_every_time_of_day_is_in_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    noon = 1_763_733_600_000_000 - 2 * 3600 * 1_000_000  # 12:00 UTC
    bar = seek_bar(SeekView(noon, noon - 1, noon + 1, 1.0, True, None, ()), 120, UNICODE)
    assert clock(noon) == "21:00:00"
    assert "21:00:00" in text_of(bar.line)
