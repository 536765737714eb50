"""Questions before commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from textual.screen import Screen

from fuseboard_console.tui.protocols import ConsoleHost

A = TypeVar("A")

REPLACED = "Nothing was done: another recording is in view than when the question opened."


def ask(host: ConsoleHost, question: Screen[A], answered: Callable[[A], Awaitable[object] | None]) -> None:
    """Open a question, and call `answered` with the answer unless it is None or False.

    If another recording has come into view meanwhile, because the file was replaced, a notice is shown instead: the
    adapter or the dead letter of the same number in it is not the one that the question was about.
    """
    recording = host.feed.recording

    async def checked(answer: A | None) -> None:
        if answer is None or answer is False:
            return
        if host.feed.recording is not recording:
            host.show_notice(REPLACED, "warning")
            return
        waiting = answered(answer)
        if waiting is not None:
            await waiting

    host.push_screen(question, checked)
