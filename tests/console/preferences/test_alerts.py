"""When a bell rings for a breaker that has opened, and when the hints are shown."""

from __future__ import annotations

from pathlib import Path

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.keymap import with_keys
from fuseboard_console.app.first_start import SHOWN, first_start, hints
from fuseboard_console.tui.alerts import Alerts, alert_text
from fuseboard_engine.events import Event
from fuseboard_storage.board.board import Board
from support.console_story import added, at, changed, entries, fold, opened, started

NAMES = ("prefect", "agno", "gpt")


class Watched:
    """A Board that is looked at as events come."""

    def __init__(self, *events: Event) -> None:
        self.board = fold([started(), *(added(name) for name in NAMES), *events])
        self.alerts = Alerts()

    def look(self, when: float, *events: Event) -> tuple[str, ...]:
        for entry in entries(events, self.board.seq + 1):
            self.board.apply(entry)
        return self.alerts.opened(self.board, at(when))


def test_a_breaker_open_at_the_start_causes_no_alert() -> None:
    watched = Watched(opened("prefect", 1))
    assert watched.look(2) == ()


def test_a_breaker_that_opens_causes_one_alert() -> None:
    watched = Watched()
    assert watched.look(1) == ()
    assert watched.look(2, opened("prefect", 2)) == ("prefect",)
    assert watched.look(9) == ()


def test_within_two_seconds_of_an_alert_there_is_no_other() -> None:
    watched = Watched()
    watched.look(1)
    assert watched.look(2, opened("prefect", 2)) == ("prefect",)
    assert watched.look(3, opened("agno", 3)) == ()
    assert watched.look(3.9, opened("gpt", 3.5)) == ()
    assert watched.look(4) == ("agno", "gpt")


def test_a_breaker_that_closed_again_before_the_alert_causes_none() -> None:
    watched = Watched()
    watched.look(1)
    watched.look(2, opened("prefect", 2))
    watched.look(3, opened("agno", 3))
    assert watched.look(4, changed("agno", "closed", 3.5, before="open", reason="reset")) == ()


def test_a_failed_probe_causes_no_alert_but_opening_after_recovery_does() -> None:
    watched = Watched(opened("prefect", 0))
    watched.look(1)
    assert watched.look(11, changed("prefect", "half_open", 11, before="open", reason="probe_due")) == ()
    assert watched.look(12, opened("prefect", 12, openings=2)) == ()
    assert watched.look(30, changed("prefect", "closed", 30, before="half_open", reason="probes_succeeded")) == ()
    assert watched.look(40, opened("prefect", 40)) == ("prefect",)


def test_a_breaker_that_opened_out_of_view_causes_no_alert() -> None:
    watched = Watched()
    watched.look(1)
    watched.alerts.forget()
    assert watched.look(9, opened("prefect", 5)) == ()
    assert watched.look(12, opened("agno", 12)) == ("agno",)


def test_switching_files_resets_the_alerts() -> None:
    watched = Watched()
    watched.look(1)
    watched.board = fold([started(), opened("prefect", 1)])
    assert watched.look(9) == ()


def test_an_empty_board_causes_no_alert() -> None:
    assert Alerts().opened(Board(), at(0)) == ()


def test_any_number_of_alerts_is_one_sentence() -> None:
    assert alert_text(["a"]) == "a has opened."
    assert alert_text(["a", "b"]) == "a and b have opened."
    assert alert_text(["a", "b", "c"]) == "a, b and c have opened."
    assert alert_text([*"abcde"]) == "a, b, c and 2 more have opened."


# ---------------------------------------------------------------- hints


def test_there_are_three_hints_with_the_keys_as_they_are() -> None:
    assert [hint.split()[0] for hint in hints(ACTIONS)] == ["?", "n", "ctrl+p"]
    assert hints(with_keys(ACTIONS, {"help": ("f1",)}))[0].startswith("f1 ")


def test_the_hints_are_due_once(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "fuseboard"
    assert first_start(folder)
    assert not first_start(folder)
    assert (folder / SHOWN).stat().st_mode & 0o777 == 0o600


def test_the_hints_are_due_at_each_start_if_the_state_cannot_be_saved(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder")
    assert first_start(tmp_path / "home" / "fuseboard")
    assert first_start(tmp_path / "home" / "fuseboard")
