"""Writes the table of keys into docs/console.md: `python docs/key_table.py`, after a change of the actions."""

from __future__ import annotations

from pathlib import Path

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.model import shown_keys

PAGE = Path(__file__).with_name("console.md")
BEGIN, END = "<!-- keys -->\n", "<!-- /keys -->"


def table() -> str:
    """Return the keys of all actions as a Markdown table."""
    rows = [f"| `{shown_keys(a)}` | {', '.join(a.pages) or 'everywhere'} | {a.description} |" for a in ACTIONS]
    return "\n".join(["| key | page | what it does |", "|---|---|---|", *rows])


def main() -> None:
    """Replace the table between its two comments."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
