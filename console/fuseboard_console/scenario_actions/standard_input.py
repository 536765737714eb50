"""Steers a scenario by what standard input says."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fuseboard_engine.scenario.show import Show

MOST: Final = 4096
"""Bytes that are read at a time, and of a line that has no end yet."""


def steer_by_standard_input(show: Show, at_end: Callable[[], object]) -> None:
    """Do what the words of standard input say while the loop runs, and call `at_end` once at its end."""
    loop = asyncio.get_running_loop()
    if sys.stdin is None:  # it was closed before the process began
        loop.call_soon(at_end)
        return
    source = sys.stdin.fileno()
    rest = b""

    def read() -> bool:
        """Read once and do what it says; return False at the end."""
        nonlocal rest
        try:
            data = os.read(source, MOST)
        except OSError:  # a terminal that hung up
            return False
        whole, _, rest = (rest + data).rpartition(b"\n")
        rest = rest[:MOST]
        for word in whole.decode(errors="replace").split():
            _do(show, word)
        return bool(data)

    def readable() -> None:
        if not read():
            loop.remove_reader(source)
            at_end()

    def read_file() -> None:
        if read():
            loop.call_soon(read_file)
        else:
            at_end()

    try:
        loop.add_reader(source, readable)
    except PermissionError:  # a file: it never has to be waited for
        loop.call_soon(read_file)


def _do(show: Show, word: str) -> None:
    """Do what a word says; ignore it if it is neither an order nor a speed."""
    orders = {"pause": show.pause, "resume": show.resume, "next": show.next_step, "again": show.restart}
    if word in orders:
        orders[word]()
        return
    with suppress(ValueError):
        show.set_speed(float(word))
