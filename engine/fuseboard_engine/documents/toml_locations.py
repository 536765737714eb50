"""The line of each field in a TOML text, which the standard parser does not report."""

from __future__ import annotations

import re

Location = tuple[str | int, ...]

_KEY = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)


def line_numbers(text: str) -> dict[Location, int]:
    """Return the line, from 1, of each field and table of a TOML text.

    Args:
        text: a text that the TOML parser has accepted.

    Returns:
        Lines by the location of the field. A field inside an inline table or an array is reported at the line of the
        outer field.
    """
    lines: dict[Location, int] = {(): 1}
    table: Location = ()
    counts: dict[Location, int] = {}
    position, line = 0, 1
    while position < len(text):
        end = _end_of_statement(text, position)
        statement = text[position:end]
        stripped = statement.lstrip(" \t\r\n")
        at = line + statement[: len(statement) - len(stripped)].count("\n")
        if stripped.startswith("[["):
            name = _resolve(_parse_key(stripped, 2)[0], counts)
            counts[name] = counts.get(name, -1) + 1
            table = (*name, counts[name])
            lines.setdefault(name, at)
            lines[table] = at
        elif stripped.startswith("["):
            table = _resolve(_parse_key(stripped, 1)[0], counts)
            lines.setdefault(table, at)
        elif stripped and not stripped.startswith("#"):
            keys, _ = _parse_key(stripped, 0)
            for length in range(1, len(keys) + 1):
                lines.setdefault((*table, *keys[:length]), at)
        line += statement.count("\n")
        position = end
    return lines


def _parse_key(statement: str, start: int) -> tuple[tuple[str, ...], int]:
    """Parse a dotted key; return its parts and the position of its end."""
    parts = []
    while found := _KEY.match(statement, start):
        quoted, literal, bare = found.groups()
        parts.append(next(part for part in (quoted, literal, bare) if part is not None))
        start = found.end()
        if statement[start : start + 1] != ".":
            break
        start += 1
    return tuple(parts), start


def _resolve(keys: tuple[str, ...], counts: dict[Location, int]) -> Location:
    """Return the location of a table; within an array of tables it is that of the last one."""
    location: Location = ()
    for key in keys:
        if location in counts:
            location = (*location, counts[location])
        location = (*location, key)
    return location


def _end_of_statement(text: str, start: int) -> int:
    """Return the end of the statement that starts at `start`, including its line break."""
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
