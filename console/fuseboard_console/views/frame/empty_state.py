"""The text in place of the lists: how to fill an empty recording, or why a file cannot be read."""

from __future__ import annotations

from fuseboard_console.text.line import Line, Span, line_width
from fuseboard_console.text.width import cut, fold, width

_CODE = (
    (("engine", "text"), (" = ", "faint"), ("Engine", "info"), ('(name="checkout")', "text")),
    (('engine.add_adapter("prefect", call_prefect)', "text"),),
    (('engine.add_adapter("agno", call_agno)', "text"),),
    (("async with ", "info"), ("record", "text"), ('(engine, "{file}"):', "text")),
    (
        ("    result = ", "text"),
        ("await ", "info"),
        ('engine.execute_with_fallback(task, preference_order=["prefect", "agno"])', "text"),
    ),
)
_NARROW = (
    *_CODE[:-1],
    (("    result = ", "text"), ("await ", "info"), ("engine.execute_with_fallback(", "text")),
    (('        task, preference_order=["prefect", "agno"])', "text"),),
)
"""The same with its last line in two."""
_INDENT = 4


def empty_state_lines(file: str, cells: int, rows: int) -> list[Line]:
    """Return the text for an empty recording, centred in `cells` by `rows`. `file` is safe text."""
    room = max(8, cells - 2)
    whole = _INDENT + max(sum(width(text) for text, _ in line) for line in _CODE) <= room
    code = [tuple(Span(t.replace("{file}", file), s) for t, s in line) for line in (_CODE if whole else _NARROW)]
    demo: Line = (Span("Or see it at work now, in another terminal: ", "muted"), Span("fuseboard demo", "key"))
    block: list[Line] = [
        (Span(f"{cut(file, max(8, cells - 24))} is empty.", "strong"),),
        *_folded("No engine has written to it yet. This screen fills by itself when one does.", room),
        (),
        *_folded("Five lines embed one in your application:", room),
        (),
        *((Span(" " * _INDENT), *line) for line in code),
        (),
        *([demo] if line_width(demo) <= room else [*_folded(demo[0].text.rstrip(), room), demo[1:]]),
    ]
    return _centred(block, cells, rows)


def starting_lines(cells: int, rows: int) -> list[Line]:
    """Return the text for a scenario whose engine has not begun to write, centred in `cells` by `rows`."""
    room = max(8, cells - 2)
    said = _folded("Its engine starts in a process of its own. This screen fills by itself.", room)
    return _centred([(Span(cut("The scenario is starting.", room), "strong"),), *said], cells, rows)


def unreadable_lines(file: str, trouble: str, cells: int, rows: int) -> list[Line]:
    """Return the text for a file that cannot be read, centred in `cells` by `rows`. `file` and `trouble` are safe."""
    block: list[Line] = [
        (Span(f"{cut(file, max(8, cells - 24))} cannot be shown.", "strong"),),
        (),
        *((Span(line, "text"),) for line in fold(trouble, max(8, min(80, cells - 4)))),
        (),
        *_folded("This screen fills by itself when the file can be read.", max(8, cells - 2)),
    ]
    return _centred(block, cells, rows)


def _folded(text: str, cells: int) -> list[Line]:
    return [(Span(line, "muted"),) for line in fold(text, cells)]


def _centred(block: list[Line], cells: int, rows: int) -> list[Line]:
    if rows < len(block):
        block = [line for line in block if line]
    left = " " * max(1, (cells - max(line_width(line) for line in block)) // 2)
    above = max(0, (rows - len(block)) // 2)
    return [()] * above + [(Span(left), *line) for line in block]
