"""Where each field of a TOML text stands. The standard reader gives the values, but not their lines."""

from __future__ import annotations

import re

Location = tuple[str | int, ...]

_KEY = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)


def line_numbers(text: str) -> dict[Location, int]:
    """Return the line, from 1, of each field and table of a TOML text.

    Args:
        text: the text, which a TOML reader has accepted.

    Returns:
        Lines by the way to the field. What stands inside an inline table or an array is found at the field's line.
    """
    lines: dict[Location, int] = {(): 1}
    here: Location = ()
    counts: dict[Location, int] = {}
    position, line = 0, 1
    while position < len(text):
        end = _end_of_statement(text, position)
        statement = text[position:end]
        stripped = statement.lstrip(" \t\r\n")
        at = line + statement[: len(statement) - len(stripped)].count("\n")
        if stripped.startswith("[["):
            name = _resolved(_keys(stripped, 2)[0], counts)
            counts[name] = counts.get(name, -1) + 1
            here = (*name, counts[name])
            lines.setdefault(name, at)
            lines[here] = at
        elif stripped.startswith("["):
            here = _resolved(_keys(stripped, 1)[0], counts)
            lines.setdefault(here, at)
        elif stripped and not stripped.startswith("#"):
            keys, _ = _keys(stripped, 0)
            for length in range(1, len(keys) + 1):
                lines.setdefault((*here, *keys[:length]), at)
        line += statement.count("\n")
        position = end
    return lines


def _keys(statement: str, start: int) -> tuple[tuple[str, ...], int]:
    """Read a dotted key; return its parts and where it ends."""
    parts = []
    while found := _KEY.match(statement, start):
        quoted, literal, bare = found.groups()
        parts.append(next(part for part in (quoted, literal, bare) if part is not None))
        start = found.end()
        if statement[start : start + 1] != ".":
            break
        start += 1
    return tuple(parts), start


def _resolved(keys: tuple[str, ...], counts: dict[Location, int]) -> Location:
    """Return the way to a table: where part of it is an array of tables, its last one is meant."""
    way: Location = ()
    for key in keys:
        if way in counts:
            way = (*way, counts[way])
        way = (*way, key)
    return way


def _end_of_statement(text: str, start: int) -> int:
    """Return where the statement that begins at `start` ends, its line break included."""
    position, depth = start, 0
    while position < len(text):
        letter = text[position]
        if letter == "#":
            position = text.find("\n", position)
            if position < 0:
                return len(text)
        elif letter in "\"'":
            found = _STRING.match(text, position)
            position = found.end() if found else position + 1
        elif letter == "\n" and depth == 0:
            return position + 1
        else:
            depth += (letter in "[{") - (letter in "]}")
            position += 1
            continue
        if position < len(text) and text[position] == "\n" and depth == 0:
            return position + 1
        if position < len(text) and text[position] == "\n":
            position += 1
    return len(text)
