"""The text in place of the lists: how to fill an empty recording, or why a file cannot be read."""

from __future__ import annotations

from fuseboard_console.text.line import Line, Span, line_width
from fuseboard_console.text.width import cut, fold

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


def empty_state_lines(file: str, cells: int, rows: int) -> list[Line]:
    """Return the text for an empty recording, centred in `cells` by `rows`. `file` is safe text."""
    code = [tuple(Span(t.replace("{file}", file), s) for t, s in line) for line in _CODE]
    block: list[Line] = [
        (Span(f"{cut(file, max(8, cells - 24))} is empty.", "strong"),),
        (Span("No engine has written to it yet. This screen fills by itself when one does.", "muted"),),
        (),
        (Span("Five lines embed one in your application:", "muted"),),
        (),
        *((Span("    "), *line) for line in code),
        (),
        (Span("Or see it at work now, in another terminal: ", "muted"), Span("fuseboard demo", "key")),
    ]
    return _centred(block, cells, rows)


def unreadable_lines(file: str, trouble: str, cells: int, rows: int) -> list[Line]:
    """Return the text for a file that cannot be read, centred in `cells` by `rows`. `file` and `trouble` are safe."""
    block: list[Line] = [
        (Span(f"{cut(file, max(8, cells - 24))} cannot be shown.", "strong"),),
        (),
        *((Span(line, "text"),) for line in fold(trouble, max(8, min(80, cells - 4)))),
        (),
        (Span("This screen fills by itself when the file can be read.", "muted"),),
    ]
    return _centred(block, cells, rows)


def _centred(block: list[Line], cells: int, rows: int) -> list[Line]:
    if rows < len(block):
        block = [line for line in block if line]
    left = " " * max(1, (cells - max(line_width(line) for line in block)) // 2)
    above = max(0, (rows - len(block)) // 2)
    return [()] * above + [(Span(left), *line) for line in block]
