"""A menu of the faults that an adapter of a scenario can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fuseboard_engine.faults.table import FAULTS

_KEYS = "a number or enter chooses   esc cancels"
_DIGITS = "1234567890"
HEAL = "heal"
"""The label of the choice that ends a fault."""


class FaultChoice(NamedTuple):
    """A choice: the name of a fault and its arguments; an empty name ends the fault."""

    fault: str
    args: Mapping[str, float]
    label: str


def choices() -> Iterator[FaultChoice]:
    """Yield the choices in the order of the menu: nine faults with the digits from 1, the end with 0, other faults."""
    faults = [FaultChoice(name, fault.chosen, fault.label or name) for name, fault in FAULTS.items()]
    digits = len(_DIGITS) - 1
    yield from faults[:digits]
    yield FaultChoice("", {}, HEAL)
    yield from faults[digits:]


class FaultMenu(ModalScreen[FaultChoice]):
    """Asks for a fault and returns the choice; None when cancelled."""

    CSS_PATH = Path(__file__).with_name("confirm.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,i", "cancel", "Cancel"),
        Binding("h", f"choose({len(_DIGITS) - 1})", "Heal", show=False),
        Binding("j", "down", "Next", show=False),
        Binding("k", "up", "Previous", show=False),
        *(Binding(digit, f"choose({place})", "Choose", show=False) for place, digit in enumerate(_DIGITS)),
    ]

    def __init__(self, title: str) -> None:
        """Ask `title`, which is safe text."""
        super().__init__()
        self._title = title
        self._choices = list(choices())

    def compose(self) -> ComposeResult:
        """Yield the menu's widgets."""
        with Vertical(id="question", classes="menu"):
            yield Static(self._title, id="question-title", markup=False)
            yield OptionList(*(Option(Content(self._line(place))) for place in range(len(self._choices))), id="faults")
            yield Static(_KEYS, id="question-keys", markup=False)

    def _line(self, place: int) -> str:
        digit = _DIGITS[place] if place < len(_DIGITS) else " "
        return f"{digit}  {self._choices[place].label}"

    def on_mount(self) -> None:
        """Focus the list."""
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def _choose_line(self, event: OptionList.OptionSelected) -> None:
        """Take the line that was clicked, or on which Enter was pressed."""
        self.dismiss(self._choices[event.option_index])

    def action_choose(self, place: int) -> None:
        """Take a line by its number."""
        if place < len(self._choices):
            self.dismiss(self._choices[place])

    def action_down(self) -> None:
        """Go to the next line."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Go to the previous line."""
        self.query_one(OptionList).action_cursor_up()

    def action_cancel(self) -> None:
        """Close without a choice."""
        self.dismiss(None)
